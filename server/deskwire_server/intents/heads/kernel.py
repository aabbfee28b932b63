"""Kernel ridge regression over the plain vectors: a smooth surface through the examples, solved at once."""

from __future__ import annotations

import numpy as np

from deskwire_server.intents.heads.linear import Array, Labels

_WIDTH = np.float32(0.5)
"""Cosine distance over which an example's say falls to a third."""
_RIDGE = np.float32(0.05)
_SHARPNESS = np.float32(10.0)
"""Turns targets of 0 and 1 into scores whose softmax is about as sure as it is right."""


def fit(examples: Array, labels: Labels, classes: int) -> Array:
    """What each of `examples`, unit vectors, says for each class. Takes the cube of their number: for thousands."""
    targets = np.full((len(examples), classes), -1 / classes, dtype=np.float32)
    targets[np.arange(len(examples)), labels] += 1
    likeness = _near(examples, examples)
    likeness.flat[:: len(examples) + 1] += _RIDGE
    found: Array = np.linalg.solve(likeness, targets)
    return found


def scores(say: Array, examples: Array, rows: Array) -> Array:
    """Scores of each class for each of `rows`, from what `fit` gave for `examples`."""
    found: Array = _near(rows, examples) @ say
    found *= _SHARPNESS
    return found


def _near(rows: Array, examples: Array) -> Array:
    near: Array = rows @ examples.T
    near -= np.float32(1)
    near /= _WIDTH
    np.exp(near, out=near)
    return near
