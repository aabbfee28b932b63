"""What length takes from a question is fitted as if it told nothing of whether there is an answer."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.answers.abstention import narrated


def test_nothing_is_taken_where_long_questions_are_judged_like_others() -> None:
    logits = np.tile([2.0, -2.0], 40)
    answerable = np.tile([1.0, 0.0], 40)
    assert narrated(logits, np.repeat([0.0, 1.0], 40), answerable) == 0


@pytest.mark.parametrize("without_answer", [2, 10])
def test_what_is_too_much_is_taken_however_few_long_ones_have_no_answer(without_answer: int) -> None:
    short = np.tile([2.0, -2.0], 40), np.zeros(80), np.tile([1.0, 0.0], 40)
    long = np.r_[np.full(10, 3.0), np.full(without_answer, 1.0)], np.ones(10 + without_answer), np.r_[
        np.ones(10), np.zeros(without_answer)
    ]  # fmt: skip
    logits, length, answerable = (np.r_[one, other] for one, other in zip(short, long, strict=True))
    assert narrated(logits, length, answerable) == pytest.approx(2.0, abs=0.15)
