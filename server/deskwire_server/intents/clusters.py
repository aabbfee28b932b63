"""Groups unit vectors by likeness, without a number of groups given. Blocking: keep it off the event loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_ROUNDS = 3
_LIKE = 0.62
"""Likeness to a group's middle from which on a vector belongs to it."""
_SAME = 0.8
"""Likeness of two groups' middles from which on they are one."""
_MOST_CANDIDATES = 5_000


def group(vectors: Array) -> list[NDArray[np.int64]]:
    """Indices of each group, the largest first; each vector is in one group, alone where nothing is like it."""
    if not len(vectors):
        return []
    middles = _leaders(vectors)
    for _ in range(_ROUNDS):
        middles = _merged(middles, vectors)
    likeness = vectors @ middles.T
    nearest, best = likeness.argmax(axis=1), likeness.max(axis=1)
    groups = [np.flatnonzero((nearest == index) & (best >= _LIKE)) for index in range(len(middles))]
    groups += [np.array([index]) for index in np.flatnonzero(best < _LIKE)]
    return sorted((each for each in groups if len(each)), key=lambda each: (-len(each), int(each[0])))


def central(vectors: Array) -> NDArray[np.int64]:
    """The order of a group's vectors, the most central first."""
    middle = vectors.mean(axis=0)
    order: NDArray[np.int64] = np.argsort(-(vectors @ middle), kind="stable")
    return order


def _leaders(vectors: Array) -> Array:
    """Vectors of which none is like another: densest first, each then takes those near to it."""
    density = _density(vectors)
    free = np.ones(len(vectors), dtype=bool)
    leaders = []
    for index in np.argsort(-density, kind="stable"):
        if free[index]:
            leaders.append(index)
            free &= vectors @ vectors[index] < _LIKE
            free[index] = False
    return vectors[leaders]


def _density(vectors: Array) -> Array:
    """How many vectors are like each."""
    counts = np.empty(len(vectors), dtype=np.float32)
    sample = vectors[:: max(1, len(vectors) // _MOST_CANDIDATES)]
    for start in range(0, len(vectors), 512):
        counts[start : start + 512] = (vectors[start : start + 512] @ sample.T >= _LIKE).sum(axis=1)
    return counts


def _merged(middles: Array, vectors: Array) -> Array:
    """Middles moved to the mean of what belongs to them; those that have become alike are one."""
    likeness = vectors @ middles.T
    nearest, best = likeness.argmax(axis=1), likeness.max(axis=1)
    moved: list[Array] = []
    order = np.argsort(-np.bincount(nearest[best >= _LIKE], minlength=len(middles)), kind="stable")
    for index in order:
        own = vectors[(nearest == index) & (best >= _LIKE)]
        if not len(own):
            continue
        middle = own.mean(axis=0)
        middle /= np.linalg.norm(middle)
        if all(float(middle @ other) < _SAME for other in moved):
            moved.append(middle)
    return np.stack(moved) if moved else middles
