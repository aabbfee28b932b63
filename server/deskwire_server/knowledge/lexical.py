"""Ranks a tenant's passages by the words of a question (BM25) over postings. Pure, no input or output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BLOCK = 512
"""Numbers of passages in one row of the postings."""
LENGTH_UNIT = 4
"""Words that one step of a kept length stands for."""
K1, B = 1.2, 0.75
_MOST_POSTINGS = 40_000
"""Postings that one question reads. The rarest words come first; commoner ones then only rank, and propose nothing."""


@dataclass(frozen=True, slots=True)
class Postings:
    """A term in one block of passages."""

    term: str
    block: int
    numbers: bytes
    """Of each passage its number in the block, as two bytes, the high one first."""
    frequencies: bytes
    lengths: bytes


def proposing(weights: Mapping[str, float], occurrences: Mapping[str, int]) -> list[str]:
    """The terms whose postings are worth reading: the rarest ones within the budget, one at least."""
    chosen: list[str] = []
    left = _MOST_POSTINGS
    for term in sorted(weights, key=lambda one: occurrences.get(one, 0)):
        left -= occurrences.get(term, 0)
        if chosen and left < 0:
            break
        chosen.append(term)
    return chosen


def best(
    postings: Sequence[Postings],
    weights: Mapping[str, float],
    mean_length: float,
    count: int,
    among: Sequence[int] | None = None,
) -> list[int]:
    """Numbers of the `count` passages that score best, best first; only of those `among`, where it is given."""
    if not postings:
        return []
    sizes = np.array([len(one.frequencies) for one in postings])
    firsts = np.repeat(np.array([one.block * BLOCK for one in postings], dtype=np.int64), sizes)
    numbers = firsts + np.frombuffer(b"".join(one.numbers for one in postings), dtype=">u2")
    frequencies = np.frombuffer(b"".join(one.frequencies for one in postings), dtype=np.uint8).astype(np.float64)
    lengths = np.frombuffer(b"".join(one.lengths for one in postings), dtype=np.uint8) * float(LENGTH_UNIT)
    own = np.repeat(np.array([weights[one.term] for one in postings]), sizes)
    parts = own * frequencies * (K1 + 1) / (frequencies + K1 * (1 - B + B * lengths / mean_length))
    passages, places = np.unique(numbers, return_inverse=True)
    scores = np.bincount(places, weights=parts, minlength=len(passages))
    if among is not None:
        fits = np.isin(passages, np.asarray(among, dtype=np.int64))
        passages, scores = passages[fits], scores[fits]
    if len(passages) > count:
        nearest = np.argpartition(-scores, count)[:count]
        passages, scores = passages[nearest], scores[nearest]
    found: list[int] = passages[np.argsort(-scores, kind="stable")].tolist()
    return found
