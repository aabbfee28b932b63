"""Puts lists of words that people give in order."""

from __future__ import annotations

from collections.abc import Iterable


def tidy(words: Iterable[str]) -> tuple[str, ...]:
    """Without space around them, empty ones and repeats, in the order given."""
    return tuple(dict.fromkeys(word for word in map(str.strip, words) if word))
