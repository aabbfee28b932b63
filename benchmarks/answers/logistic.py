"""Fits a logistic model whose weights are never negative, and says how well it tells two kinds of examples apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STEPS = 20_000
_TOLERANCE = 1e-9

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted model on raw values."""

    bias: float
    weights: Values

    def probabilities(self, rows: Values) -> Values:
        """Of a yes, for each row."""
        result: Values = 1 / (1 + np.exp(-(rows @ self.weights + self.bias)))
        return result


def fit(rows: Values, answers: Values, ridge: float = 8.0, counts: Values | None = None) -> Model:
    """Weights by projected gradient; `ridge` holds those of standardised columns small.

    `counts` is how often each row counts, once by default.
    """
    often = np.ones(len(rows)) if counts is None else counts
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    design = np.column_stack([np.ones(len(rows)), (rows - mean) / spread])
    step = 1 / (float(np.linalg.eigvalsh(design.T @ (often[:, None] * design) / 4)[-1]) + ridge)
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        errors = often * (1 / (1 + np.exp(-design @ weights)) - answers)
        moved = weights - step * (design.T @ errors + ridge * np.r_[0, weights[1:]])
        moved[1:] = np.maximum(moved[1:], 0)
        if np.abs(moved - weights).max() < _TOLERANCE:
            break
        weights = moved
    raw = weights[1:] / spread
    return Model(float(weights[0] - raw @ mean), raw)


def cross_validated(
    rows: Values, answers: Values, groups: NDArray[np.int_], folds: int = 8, repeats: int = 5
) -> Values:
    """Probability of each row by models that saw nothing of its group, averaged over several divisions."""
    generator = np.random.default_rng(0)
    total = np.zeros(len(rows))
    for _ in range(repeats):
        fold = generator.integers(0, folds, int(groups.max()) + 1)[groups]
        for number in range(folds):
            held = fold == number
            if held.any():
                total[held] += fit(rows[~held], answers[~held]).probabilities(rows[held])
    return total / repeats


def area_under_curve(values: Values, answers: Values) -> float:
    """How often a yes has the higher value of a yes and a no."""
    yes, no = values[answers == 1, None], values[answers == 0]
    return float((yes > no).mean() + (yes == no).mean() / 2)
