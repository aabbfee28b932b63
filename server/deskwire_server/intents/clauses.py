"""Cuts a message into the clauses that may each have a wish of its own."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

_BREAK = re.compile(
    r"(?<=[.!?;])\s+|\n+|,?\s+(?:and also|and then|and|also|but|plus|besides|additionally|as well as|"
    r"und außerdem|und|außerdem|et aussi|et|y también|y|e anche|e)\s+(?=\S+\s+\S+\s+\S+)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_LEAST_WORDS = 3
_MOST_CLAUSES = 6


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of a message, in code points."""

    text: str
    start: int
    end: int


def split(message: str) -> list[Clause]:
    """Clauses of a message in their order, those of less than three words joined to the one before.

    One clause alone for a message that has no more.
    """
    spans: list[tuple[int, int]] = []
    words = [match.start() for match in _WORD.finditer(message)]
    start = 0
    for cut in [*(match.span() for match in _BREAK.finditer(message)), (len(message), len(message))]:
        if bisect_left(words, cut[0]) - bisect_left(words, start) >= _LEAST_WORDS:
            spans.append((start, cut[0]))
        elif spans:
            spans[-1] = (spans[-1][0], cut[0])
        else:
            continue
        start = cut[1]
    if spans and start < len(message):
        spans[-1] = (spans[-1][0], len(message))
    if len(spans) > _MOST_CLAUSES:
        spans = spans[:_MOST_CLAUSES]
    if not spans:
        spans = [(0, len(message))]
    return [_clause(message, begin, end) for begin, end in spans]


def _clause(message: str, start: int, end: int) -> Clause:
    text = message[start:end]
    left = len(text) - len(text.lstrip())
    stripped = text.strip()
    return Clause(stripped, start + left, start + left + len(stripped))
