"""Multinomial logistic regression, fitted by limited-memory BFGS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Labels = NDArray[np.int64]

_MEMORY = 8
_ARMIJO = 1e-4
_SHORTEST_STEP = 1e-6
_LEAST_CURVATURE = 1e-10


def softmax(scores: Array) -> Array:
    """Probabilities of each row of `scores`."""
    shifted: Array = scores - scores.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def log_softmax(scores: Array) -> Array:
    """Logarithms of the probabilities of each row of `scores`."""
    shifted: Array = scores - scores.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def fit(
    vectors: Array,
    labels: Labels,
    classes: int,
    *,
    strength: float,
    weights: Array | None = None,
    iterations: int = 80,
    tolerance: float = 1e-4,
) -> Array:
    """Weights of shape (dimensions + 1, classes), the biases last.

    `strength` is the weight of the data against the squared norm of the weights; `weights` that of each row.
    """
    # Without what all rows share the same weights are found in half the steps; the biases take it up at the end.
    shared = vectors.mean(axis=0)
    rows = np.hstack([vectors - shared, np.ones((len(vectors), 1), dtype=np.float32)]).astype(np.float32, copy=False)
    targets = np.zeros((len(rows), classes), dtype=np.float32)
    targets[np.arange(len(rows)), labels] = 1
    share = (np.ones(len(rows), dtype=np.float32) if weights is None else weights)[:, None] * np.float32(strength)
    shape = (rows.shape[1], classes)

    def loss(flat: Array) -> tuple[float, Array]:
        current = flat.reshape(shape)
        logs = log_softmax(rows @ current)
        value = -float((logs * targets * share).sum()) + 0.5 * float((current[:-1] ** 2).sum())
        gradient = rows.T @ ((np.exp(logs) - targets) * share)
        gradient[:-1] += current[:-1]
        return value, gradient.ravel()

    start = np.zeros(shape[0] * shape[1], dtype=np.float32)
    found = minimise(loss, start, iterations=iterations, tolerance=tolerance).reshape(shape)
    found[-1] -= shared @ found[:-1]
    return found


def scores(weights: Array, vectors: Array) -> Array:
    """Scores of each class for each row of `vectors`."""
    result: Array = vectors @ weights[:-1] + weights[-1]
    return result


def minimise(loss: Callable[[Array], tuple[float, Array]], start: Array, *, iterations: int, tolerance: float) -> Array:
    """Where `loss` (value and gradient) is about least, by L-BFGS with backtracking."""
    steps: deque[tuple[Array, Array]] = deque(maxlen=_MEMORY)
    point = start
    value, gradient = loss(point)
    for _ in range(iterations):
        direction = _direction(gradient, steps)
        slope = float(gradient @ direction)
        length = 1.0
        while True:
            ahead = point - np.float32(length) * direction
            ahead_value, ahead_gradient = loss(ahead)
            if ahead_value <= value - _ARMIJO * length * slope or length < _SHORTEST_STEP:
                break
            length *= 0.5
        moved, turned = ahead - point, ahead_gradient - gradient
        if float(moved @ turned) > _LEAST_CURVATURE:
            steps.append((moved, turned))
        is_done = abs(value - ahead_value) < tolerance * max(1e-9, abs(value))
        point, value, gradient = ahead, ahead_value, ahead_gradient
        if is_done:
            break
    return point


def _direction(gradient: Array, steps: deque[tuple[Array, Array]]) -> Array:
    direction = gradient.copy()
    if not steps:
        direction /= np.float32(max(1e-12, float(np.linalg.norm(gradient))))
        return direction
    factors = []
    for moved, turned in reversed(steps):
        factor = np.float32((moved @ direction) / (moved @ turned))
        factors.append(factor)
        direction -= factor * turned
    moved, turned = steps[-1]
    direction *= np.float32((moved @ turned) / (turned @ turned))
    for (moved, turned), factor in zip(steps, reversed(factors), strict=True):
        direction += (factor - np.float32((turned @ direction) / (moved @ turned))) * moved
    return direction
