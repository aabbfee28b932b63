"""How the time to resume is told from a journal."""

from __future__ import annotations

from typing import Any

from benchmarks.chaos.injector import Done
from benchmarks.chaos.resumes import resumes
from benchmarks.chaos.schedule import Fault, Kind, Part

KILLED = Done(Fault(Kind.KILL, Part.REPLICA_1), 10.0, 10.1)
POSTGRES = Done(Fault(Kind.KILL, Part.POSTGRES), 20.0, 22.0)


def line(t: float, kind: str, **values: Any) -> dict[str, Any]:
    return {"p": "clients-0", "t": t, "k": kind, "s": 1, **values}


def asked(at: float, of: str = "send") -> list[dict[str, Any]]:
    return [line(at, "stream", of=of), line(at + 0.1, "event", e="message_accepted", w=0)]


def test_an_answer_that_falls_silent_counts_from_the_fault() -> None:
    journal = [*asked(9.0), line(9.8, "event", e="text_delta"), line(12.0, "event", e="turn_started")]

    (found,) = resumes(journal, [KILLED])

    assert round(found.seconds, 3) == 2.0
    assert found.limit == 3.0


def test_a_stream_that_goes_on_at_once_was_not_touched() -> None:
    journal = [*asked(9.0), line(9.9, "event", e="text_delta"), line(10.2, "event", e="text_delta")]

    assert resumes(journal, [KILLED]) == []


def test_postgres_counts_from_its_return() -> None:
    journal = [line(19.0, "stream", of="send"), line(22.7, "event", e="message_accepted", w=0)]

    (found,) = resumes(journal, [KILLED, POSTGRES])

    assert round(found.seconds, 3) == 0.7


def test_who_waits_for_an_earlier_turn_is_not_silent() -> None:
    journal = [line(9.0, "stream", of="send"), line(9.1, "event", e="message_accepted", w=2),
               line(15.0, "event", e="turn_started")]  # fmt: skip

    assert resumes(journal, [KILLED]) == []


def test_a_watcher_counts_from_the_fault_that_broke_its_connection() -> None:
    journal = [line(1.0, "stream", of="watch"), line(2.0, "state", state="connected"),
               line(10.2, "state", state="reconnecting"), line(11.0, "state", state="connected"),
               line(19.0, "event", e="message_accepted", w=0)]  # fmt: skip

    (found,) = resumes(journal, [KILLED, POSTGRES])

    assert round(found.seconds, 3) == 1.0


def test_a_connection_alone_is_not_what_is_awaited() -> None:
    journal = [*asked(9.0), line(9.8, "event", e="text_delta"), line(10.0, "state", state="reconnecting"),
               line(10.8, "state", state="connected"), line(10.8, "event", e="connection_status"),
               line(12.5, "event", e="turn_started")]  # fmt: skip

    (found,) = resumes(journal, [KILLED])

    assert round(found.seconds, 3) == 2.5


def test_one_that_went_on_just_before_the_return_was_noted_is_not_late() -> None:
    cut = Done(Fault(Kind.CUT, "replica-1/postgres"), 18.0, 18.0)
    journal = [line(17.9, "stream", of="send"), line(21.9, "event", e="message_accepted", w=0)]

    assert [each.seconds for each in resumes(journal, [cut, POSTGRES])] == [0.0]
    assert [round(each.seconds, 3) for each in resumes(journal, [cut])] == [3.9]


def test_a_second_fault_before_the_time_is_up_begins_it_anew() -> None:
    second = Done(Fault(Kind.KILL, Part.REPLICA_2), 12.0, 12.1)
    late = Done(Fault(Kind.KILL, Part.REPLICA_2), 14.0, 14.1)
    journal = [*asked(9.0), line(9.8, "event", e="text_delta"), line(14.5, "event", e="turn_started")]

    (found,) = resumes(journal, [KILLED, second])
    assert round(found.seconds, 3) == 2.5
    (found,) = resumes(journal, [KILLED, late])
    assert round(found.seconds, 3) == 4.5
