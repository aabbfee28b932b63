"""Checks request messages against the rules that the contract writes on their fields."""

from __future__ import annotations

from typing import Any

import protovalidate

from deskwire_server.errors import FieldViolation, InvalidArgument


def check(message: Any) -> None:
    """Raise `InvalidArgument` that names each field and rule that `message` breaks."""
    try:
        protovalidate.validate(message)
    except protovalidate.ValidationError as error:
        violations = [
            FieldViolation(_path(violation.proto.field), violation.proto.message, violation.proto.rule_id)
            for violation in error.violations
        ]
        summary = "; ".join(f"{item.field or 'message'}: {item.description}" for item in violations[:5])
        raise InvalidArgument(summary, violations=violations) from error


def _path(path: Any) -> str:
    text = ""
    for element in path.elements if path is not None else ():
        text += f".{element.field_name}" if text else element.field_name
        subscript = element.subscript
        if subscript is not None:
            text += f"[{subscript.value!r}]"
    return text
