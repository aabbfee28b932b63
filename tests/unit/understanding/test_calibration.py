"""The calibration error is told beside what chance makes of a perfect confidence."""

from __future__ import annotations

import pytest

from benchmarks.eval.calibration import by_chance, calibration


def test_confidence_that_is_off_is_told() -> None:
    found = calibration("x", [0.9] * 100, [True] * 60 + [False] * 40)
    assert found.value == pytest.approx(30)
    assert (found.goal, found.met, found.samples) == (5, False, 100)
    assert found.baseline.startswith("a perfect one by chance")


def test_chance_alone_makes_less_of_more_answers() -> None:
    few, many = by_chance([0.8] * 50), by_chance([0.8] * 5_000)
    assert 0.03 < few < 0.07
    assert many < 0.01


def test_certainty_leaves_nothing_to_chance() -> None:
    assert by_chance([1.0] * 20) == 0
