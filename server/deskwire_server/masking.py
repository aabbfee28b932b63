"""Masks personal data and secrets in what is logged."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

_SHORT = 64
_PATTERNS = (
    (re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), "[token]"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"), "[key]"),
    (re.compile(r"(?i)\bbearer\s+\S+"), "Bearer [token]"),
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"), "[credentials]"),
    (re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"), "[e-mail]"),
    # Not inside of a longer word: the last groups of a UUID may be all digits.
    (re.compile(r"(?<![\w-])(?:\d[ -]?){12,18}\d(?![\w-])"), "[card]"),
    (re.compile(r"(?<![\w.-])\+\d[\d ()/.-]{7,}\d\b"), "[phone]"),
)


def mask(text: str) -> str:
    """The text with tokens, keys, credentials in addresses, e-mail addresses, card and phone numbers replaced."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def mask_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor of structlog: masks every text of an event, also those inside of lists and mappings."""
    for key, value in event.items():
        if key not in ("request_id", "timestamp", "level"):
            event[key] = _masked(value)
    return event


_mask_short = lru_cache(maxsize=4_096)(mask)
"""Names of methods, codes and tenants stand in every line."""


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _mask_short(value) if len(value) <= _SHORT else mask(value)
    if isinstance(value, Mapping):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    return value
