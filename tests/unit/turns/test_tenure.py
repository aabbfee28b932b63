"""What a worker concludes from its lease by its own clock."""

from __future__ import annotations

import pytest

from deskwire_server.turns import tenure as module
from deskwire_server.turns.tenure import Tenure

TERM = 2.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by the test."""
    time = [100.0]
    monkeypatch.setattr(module, "now", lambda: time[0])
    return time


def test_it_counts_from_before_the_renewal_was_sent(clock: list[float]) -> None:
    tenure = Tenure(TERM)
    assert not tenure.held
    clock[0] = 101.5
    tenure.renewed(asked_at=100.0)
    assert tenure.held
    clock[0] = 102.0
    assert not tenure.held


def test_a_gap_makes_everything_uncertain(clock: list[float]) -> None:
    tenure = Tenure(TERM)
    tenure.renewed(100.0)
    ours = tenure.epoch
    clock[0] = 101.0
    tenure.renewed(101.0)
    assert tenure.covers(ours), "renewed in time"
    clock[0] = 103.5
    assert not tenure.covers(ours)
    tenure.renewed(103.5)
    assert tenure.held
    assert not tenure.covers(ours), "others may have come in between"
    assert tenure.covers(tenure.epoch)


def test_turns_are_taken_over_after_an_unbroken_term(clock: list[float]) -> None:
    tenure = Tenure(TERM)
    tenure.renewed(100.0)
    assert not tenure.may_take_over, "a worker that starts cannot know how long the database was away"
    for moment in (101.0, 102.0):
        clock[0] = moment
        tenure.renewed(moment)
    assert tenure.may_take_over
    tenure.failed()
    assert tenure.held
    assert not tenure.may_take_over, "it may be away for others as well"
    clock[0] = 103.9
    tenure.renewed(103.9)
    assert not tenure.may_take_over
    clock[0] = 104.0
    assert tenure.may_take_over


def test_a_lease_given_up_is_over(clock: list[float]) -> None:
    tenure = Tenure(TERM)
    tenure.renewed(100.0)
    clock[0] = 101.0
    assert tenure.away_for == 1.0
    tenure.give_up()
    assert not tenure.held
