"""Finds what a message mentions that has a form of its own: addresses, numbers, amounts, dates, codes."""

from __future__ import annotations

import re

_PATTERNS: dict[str, re.Pattern[str]] = {
    "url": re.compile(r"\bhttps?://[^\s<>\"')\]]*[^\s<>\"')\].,;:!?]"),
    "email": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b"),
    "order_number": re.compile(
        r"\b(?:(?:order|invoice|ticket|case|ref(?:erence)?)\s*(?:no\.?|number|id|#|"
        r":)*\s*#?\s*)([A-Z]{0,6}[-_]?\d[\w-]{2,20})\b",
        re.IGNORECASE,
    ),
    "error_code": re.compile(
        r"\b(?:(?:http|status|error|code)\s+(?:code\s+)?#?([1-5]\d\d|0x[0-9a-f]+|[A-Z]{1,6}[-_]?\d{2,6})|"
        r"(E[A-Z]{2,}|ERR_[A-Z_]+|[a-z]+(?:_[a-z]+)+))\b",
        re.IGNORECASE,
    ),
    "amount": re.compile(
        r"(?:[$€£¥]\s?\d[\d.,]*\d|[$€£¥]\s?\d)(?:\s?(?:k|m|million))?\b|"
        r"\b\d[\d.,]*\s?(?:€|\$|£|¥|(?:eur|usd|gbp|chf|euros?|dollars?|pounds?)\b)",
        re.IGNORECASE,
    ),
    "percentage": re.compile(r"\b\d+(?:[.,]\d+)?\s?(?:%|percent\b|per cent\b)", re.IGNORECASE),
    "date": re.compile(r"\b(?:\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.(?:\d{4}|\d{2})|\d{1,2}/\d{1,2}/(?:\d{4}|\d{2}))\b"),
    "phone": re.compile(r"(?<![\w.-])\+?\d{1,3}[\s./-]?\(?\d{2,5}\)?(?:[\s./-]?\d{2,5}){2,4}(?![\w-])"),
}
_ERROR_NAME = re.compile(r"^(?:[a-z]+(?:_[a-z]+)+)$")
_ERROR_WORDS = re.compile(
    r"error|invalid|denied|failed|fail|expired|unauthori[sz]ed|forbidden|timeout|refused|"
    r"missing|limit|not_"
)


def find_entities(text: str) -> dict[str, list[str]]:
    """What `text` mentions, by kind, each as written, without repeats. A stretch of text is taken once."""
    taken: list[tuple[int, int]] = []
    found: dict[str, list[str]] = {}
    for kind, pattern in _PATTERNS.items():
        for match in pattern.finditer(text):
            value = next((group for group in match.groups() if group), match[0]).strip()
            overlaps = any(start < match.end() and match.start() < end for start, end in taken)
            if overlaps or not _plausible(kind, value):
                continue
            taken.append(match.span())
            values = found.setdefault(kind, [])
            if value not in values:
                values.append(value)
    return found


def _plausible(kind: str, value: str) -> bool:
    if kind == "error_code" and not any(map(str.isdigit, value)):
        # Names in snake_case are errors only where they say so: `invalid_grant`, not `theme_color`.
        if value.isupper():
            return value.startswith("ERR_") or value in _ERRNO
        return bool(_ERROR_NAME.match(value) and _ERROR_WORDS.search(value))
    if kind == "phone":
        return 7 <= sum(map(str.isdigit, value)) <= 15
    return True


_ERRNO = frozenset({"ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENOTFOUND", "EACCES", "EPERM", "ENOENT", "EPIPE"})
