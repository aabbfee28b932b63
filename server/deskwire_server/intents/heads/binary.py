"""Logistic regression with two outcomes and few columns, by Newton's method, pulled towards weights known before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.float64]

_ROUNDS = 40
_FLAT = 1e-9


def sigmoid(values: Wide) -> Wide:
    """1 / (1 + exp(-x)) without overflow."""
    result: Wide = 0.5 * (1.0 + np.tanh(0.5 * values))
    return result


def with_constant(rows: Wide) -> Wide:
    """The rows with a last column of ones."""
    return np.hstack([rows, np.ones((len(rows), 1))])


def fit(rows: Wide, outcomes: Wide, before: Wide, *, pull: float, weights: Wide | None = None) -> Wide:
    """Weights (the constant's last) for `rows` without the constant; `pull` is how strongly they keep to `before`."""
    full = with_constant(rows)
    share = np.ones(len(full)) if weights is None else weights
    current = before.copy()
    for _ in range(_ROUNDS):
        chances = sigmoid(full @ current)
        gradient = full.T @ (share * (chances - outcomes)) + pull * (current - before)
        curvature = (full * (share * chances * (1 - chances))[:, None]).T @ full + pull * np.eye(full.shape[1])
        step = np.linalg.solve(curvature, gradient)
        current = current - step
        if float(np.abs(step).max()) < _FLAT:
            break
    return current
