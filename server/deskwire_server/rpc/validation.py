"""Checks request messages against the rules of the contract, and against what no field may hold whatever its rules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import protovalidate
from google.protobuf import descriptor_pool, message_factory

from deskwire_server.errors import FieldViolation, InvalidArgument

_MOST_TOLD = 20
"""Violations that an error names: all of a long list would not fit into a call's trailers."""
_LONGEST_KEY = 64
_MOMENT = "google.protobuf.Timestamp"
_NUMBER = "google.protobuf.Value.number_value"


def check(message: Any) -> None:
    """Raise `InvalidArgument` that names each field and rule that `message` breaks, the first twenty of them."""
    try:
        protovalidate.validate(message)
    except protovalidate.ValidationError as error:
        raise _invalid(
            [
                FieldViolation(_path(violation.proto.field), violation.proto.message, violation.proto.rule_id)
                for violation in error.violations[:_MOST_TOLD]
            ]
        ) from error
    found = [violation for violation, _ in zip(_unfit(message, ""), range(_MOST_TOLD), strict=False)]
    if found:
        raise _invalid(found)


def warm_up(services: Iterable[str]) -> None:
    """Compile the rules of every request of `services`, so that no first call waits for it. Blocking: about 30 ms.

    To be called before calls are answered, which would all wait for it on the event loop.
    """
    pool = descriptor_pool.Default()
    for service in services:
        for method in pool.FindServiceByName(service).methods:
            protovalidate.collect_violations(message_factory.GetMessageClass(method.input_type)())


def _invalid(violations: list[FieldViolation]) -> InvalidArgument:
    summary = "; ".join(f"{item.field or 'message'}: {item.description}" for item in violations[:5])
    return InvalidArgument(summary, violations=violations)


def _unfit(message: Any, prefix: str) -> Iterator[FieldViolation]:
    """Text that Postgres can't keep, moments outside of the calendar, numbers that are none."""
    if message.DESCRIPTOR.full_name == _MOMENT:
        if not _is_moment(message):
            yield FieldViolation(prefix, "must be a time between the years 1 and 9999", "timestamp.valid")
        return
    for field, value in message.ListFields():
        path = f"{prefix}.{field.name}" if prefix else field.name
        for where, item in _items(field, value, path):
            if isinstance(item, str):
                if "\0" in item:
                    yield FieldViolation(where, "must not contain the NUL character", "string.no_nul")
            elif field.full_name == _NUMBER:
                if not math.isfinite(item):
                    yield FieldViolation(where, "must be a finite number", "double.finite")
            elif hasattr(item, "DESCRIPTOR"):
                yield from _unfit(item, where)


def _items(field: Any, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The value of a field, or each of its values; of a map the keys as well."""
    if not field.is_repeated:
        yield path, value
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        for key in value:
            where = f"{path}[{_shown(key)}]"
            yield where, key
            yield where, value[key]
    else:
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item


def _is_moment(value: Any) -> bool:
    try:
        value.ToDatetime()
    except (ValueError, OverflowError):
        return False
    return True


def _path(path: Any) -> str:
    text = ""
    for element in path.elements if path is not None else ():
        text += f".{element.field_name}" if text else element.field_name
        subscript = element.subscript
        if subscript is not None:
            text += f"[{_shown(subscript.value)}]"
    return text


def _shown(key: Any) -> str:
    shown = repr(key)
    return shown if len(shown) <= _LONGEST_KEY else f"{shown[: _LONGEST_KEY - 1]}…"
