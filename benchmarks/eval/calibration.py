"""How far confidence lies from the share that is right, beside what chance makes of a perfect one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.eval.figures import Figure
from deskwire_server.intents.report import expected_error

Values = Sequence[float] | Sequence[bool] | NDArray[Any]
GOAL = 5
"""Per cent."""
_BINS = 10
_DRAWS = 500


def calibration(task: str, confidence: Sequence[float], right: Sequence[bool], *, goal: float | None = GOAL) -> Figure:
    """The expected calibration error of `confidence`, 0 to 1, in per cent: ten bins of equal width."""
    return Figure(
        task, "calibration error", 100 * error_of(confidence, right), goal=goal, at_most=True, samples=len(right),
        baseline=f"a perfect one by chance {100 * by_chance(confidence):.1f} %",
    )  # fmt: skip


def error_of(confidence: Values, right: Values) -> float:
    """The expected calibration error over ten bins of equal width, 0 to 1."""
    return expected_error(confidence, right, _BINS)


def by_chance(confidence: Sequence[float]) -> float:
    """Mean error of answers that are right exactly as often as `confidence` says, so few as they are."""
    values, generator = np.asarray(confidence), np.random.default_rng(0)
    draws = [error_of(values, generator.random(len(values)) < values) for _ in range(_DRAWS)]
    return float(np.mean(draws))
