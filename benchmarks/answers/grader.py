"""Grades an answer: which of the points that it should make it holds.

A point is a short phrase. Its figures are the words with a digit in them; its key words are the rest, lower case,
stemmed, without stop words. A point is contained when every figure and at least 60 % of the key words occur in the
answer, in any order. Parts of a point in alternative (`a / b`) count as one: the better alternative decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import snowballstemmer

LEAST_SHARE = 0.6
"""Share of a point's key words that must be there."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_CITATION = re.compile(r"\[\d+\]")
_COMMON = """
a an the of to in on at for from with by as and or but if is are be been was were it its this that these those your
you we our they their i my me not no do does did can will would should may must have has had so than then there via
eg ie etc any all some more most only also into out up about per when where which who what how
"""
_STOP_WORDS = frozenset(_COMMON.split())
_stemmer = snowballstemmer.stemmer("english")


def contained(answer: str, points: Sequence[str]) -> list[bool]:
    """For each of `points`, whether `answer` holds it."""
    present = keys(_CITATION.sub(" ", answer))
    return [any(_holds(present, part) for part in _alternatives(point)) for point in points]


def _alternatives(point: str) -> list[str]:
    parts = [part for part in re.split(r"\s+/\s+", point) if keys(part)]
    return [point, *parts] if len(parts) > 1 else [point]


def _holds(present: frozenset[str], point: str) -> bool:
    wanted = keys(point)
    figures = {word for word in wanted if any(map(str.isdigit, word))}
    if not wanted or not figures <= present:
        return False
    return len(wanted & present) / len(wanted) >= LEAST_SHARE


@lru_cache(maxsize=4_096)
def keys(text: str) -> frozenset[str]:
    """Figures and stemmed key words of `text`."""
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    return frozenset(_stemmer.stemWord(word) for word in words if word not in _STOP_WORDS)
