"""The reconciliation of a chaos run sees each kind of fault that it is there for."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest

from benchmarks.chaos.database import Message, Stored, StoredEvent, Turn, Usage
from benchmarks.chaos.findings import Findings
from benchmarks.chaos.question import Question
from benchmarks.chaos.reconcile import reconcile

ASKED = Question("t0u1c1m1", 4, 0)
OTHER = Question("t0u2c1m1", 4, 0)
TALK, TURN, QUESTION, ANSWER = "talk", "turn", "question", "answer"
CALLS = Counter({ASKED.nonce: 1})


@pytest.fixture
def stored() -> Stored:
    """A conversation with one turn that was answered in its second attempt."""
    question = Message(QUESTION, TURN, TALK, "user", ASKED.text, "complete")
    answer = Message(ANSWER, TURN, TALK, "assistant", ASKED.answer, "complete")
    turn = Turn(TURN, "chaos-0", "user-1", TALK, ASKED.nonce, "completed", 2, "", QUESTION, ANSWER)
    turn.messages, turn.usage = [question, answer], [Usage(2, "compatible", False)]
    events = {
        1: StoredEvent("message_accepted", TURN, 0, QUESTION, ASKED.text),
        2: StoredEvent("turn_started", TURN, 1, ANSWER, ""),
        3: StoredEvent("turn_started", TURN, 2, ANSWER, ""),
        4: StoredEvent("message_completed", TURN, 0, ANSWER, ASKED.answer),
    }
    return Stored({TURN: turn}, {TALK: events}, {TALK: 4}, {TALK: f"About {ASKED.answer}"})


@pytest.fixture
def journal() -> list[dict[str, Any]]:
    """What the one who asked was given: the first attempt was cut off in the middle."""
    half = len(ASKED.answer) // 2
    return [
        {"k": "sent", "r": ASKED.nonce, "c": TALK},
        {"k": "stream", "s": 1, "of": "send", "c": TALK},
        _event("message_accepted", q=1, x=ASKED.text, r=ASKED.nonce, m=QUESTION, w=0),
        _event("turn_started", q=2, a=1, m=ANSWER),
        _event("text_delta", a=1, o=0, x=ASKED.answer[:half], m=ANSWER),
        {"k": "state", "s": 1, "state": "reconnecting"},
        _event("turn_started", q=3, a=2, m=ANSWER),
        _event("text_delta", a=2, o=0, x=ASKED.answer[:half], m=ANSWER),
        _event("text_delta", a=2, o=half, x=ASKED.answer[half:], m=ANSWER),
        _event("message_completed", q=4, x=ASKED.answer, m=ANSWER),
        {"k": "over", "s": 1, "outcome": "complete"},
    ]


def _event(kind: str, **values: Any) -> dict[str, Any]:
    return {"k": "event", "s": 1, "e": kind, "c": TALK, "u": TURN, **values}


def found(stored: Stored, journal: list[dict[str, Any]], calls: Counter[str] = CALLS) -> Findings:
    return reconcile(stored, [{"p": "clients-0", "t": 0.0, **line} for line in journal], calls, calls)


def test_a_right_run_is_clean(stored: Stored, journal: list[dict[str, Any]]) -> None:
    findings = found(stored, journal)

    assert findings.clean
    assert findings.verdict == "lost 0, duplicated 0, mixed 0"
    assert findings.counts["turns"] == findings.counts["answers by the model"] == 1


def test_a_turn_that_was_acknowledged_and_is_gone_is_lost(stored: Stored, journal: list[dict[str, Any]]) -> None:
    stored.turns.clear()

    assert found(stored, journal).lost


def test_a_turn_that_never_ended_is_lost(stored: Stored, journal: list[dict[str, Any]]) -> None:
    stored.turns[TURN].state = "running"

    assert found(stored, journal).lost


def test_an_event_that_a_client_got_and_is_gone_is_lost(stored: Stored, journal: list[dict[str, Any]]) -> None:
    del stored.events[TALK][4]
    stored.last_sequence[TALK] = 3

    assert found(stored, journal).lost


def test_a_gap_in_the_sequence_is_a_loss(stored: Stored, journal: list[dict[str, Any]]) -> None:
    stored.last_sequence[TALK] = 5

    assert found(stored, journal).lost


def test_who_was_never_told_the_end_lost_it(stored: Stored, journal: list[dict[str, Any]]) -> None:
    assert found(stored, [line for line in journal if line.get("e") != "message_completed"]).lost


def test_a_message_that_was_never_acknowledged_is_lost(stored: Stored, journal: list[dict[str, Any]]) -> None:
    assert found(stored, [*journal, {"k": "sent", "r": OTHER.nonce, "c": TALK}]).lost


def test_two_turns_of_one_request_are_duplicates(stored: Stored, journal: list[dict[str, Any]]) -> None:
    stored.turns["again"] = copy.deepcopy(stored.turns[TURN])

    assert found(stored, journal).duplicated


def test_two_answers_are_duplicates(stored: Stored, journal: list[dict[str, Any]]) -> None:
    stored.turns[TURN].messages.append(Message("more", TURN, TALK, "assistant", ASKED.answer, "complete"))

    assert found(stored, journal).duplicated


def test_an_event_given_twice_is_a_duplicate(stored: Stored, journal: list[dict[str, Any]]) -> None:
    assert found(stored, [*journal[:-1], journal[-2], journal[-1]]).duplicated


def test_two_ends_of_a_turn_are_duplicates(stored: Stored, journal: list[dict[str, Any]]) -> None:
    stored.events[TALK][5] = stored.events[TALK][4]
    stored.last_sequence[TALK] = 5

    assert found(stored, journal).duplicated


@pytest.mark.parametrize("text", [OTHER.answer, ASKED.answer + ASKED.answer, ASKED.answer[:-3]])
def test_a_wrong_answer_is_mixed(stored: Stored, journal: list[dict[str, Any]], text: str) -> None:
    turn = stored.turns[TURN]
    turn.messages[1] = Message(ANSWER, TURN, TALK, "assistant", text, "complete")

    assert found(stored, journal).mixed


def test_a_delta_of_another_turn_is_mixed(stored: Stored, journal: list[dict[str, Any]]) -> None:
    journal[4]["x"] = OTHER.answer

    assert found(stored, journal).mixed


def test_a_delta_of_an_attempt_that_is_over_is_mixed(stored: Stored, journal: list[dict[str, Any]]) -> None:
    assert found(stored, [*journal[:8], journal[4], *journal[8:]]).mixed


def test_a_delta_behind_the_end_is_mixed(stored: Stored, journal: list[dict[str, Any]]) -> None:
    assert found(stored, [*journal[:-1], journal[8], journal[-1]]).mixed


def test_deltas_that_do_not_make_the_answer_are_mixed(stored: Stored, journal: list[dict[str, Any]]) -> None:
    assert found(stored, [*journal[:7], *journal[8:]]).mixed
    assert found(stored, [*journal[:8], *journal[9:]]).mixed


def test_two_turns_that_run_at_once_are_mixed(stored: Stored, journal: list[dict[str, Any]]) -> None:
    stored.events[TALK][3] = StoredEvent("turn_started", "second", 1, "", "")

    assert found(stored, journal).mixed


def test_an_event_of_another_conversation_is_mixed(stored: Stored, journal: list[dict[str, Any]]) -> None:
    journal[4]["c"] = "elsewhere"

    assert found(stored, journal).mixed


def test_a_title_of_another_conversation_is_mixed(stored: Stored, journal: list[dict[str, Any]]) -> None:
    stored.written[TALK] = OTHER.answer

    assert found(stored, journal).mixed


def test_usage_follows_the_calls(stored: Stored, journal: list[dict[str, Any]]) -> None:
    assert found(stored, journal, Counter()).usage, "a row too many"
    assert found(stored, journal, Counter({ASKED.nonce: 2})).usage, "a row too few"
    stored.turns[TURN].usage.append(Usage(1, "", True))
    assert not found(stored, journal, Counter({ASKED.nonce: 2})).usage, "the first attempt was lost with its worker"
    assert not found(stored, journal).usage, "it was lost before its call"


def test_titles_have_rows_of_their_own(stored: Stored, journal: list[dict[str, Any]]) -> None:
    stored.turns[TURN].usage.append(Usage(0, "compatible", False))

    assert found(stored, journal).usage
    assert not found(stored, journal, CALLS + Counter({"t0u1c1": 1})).usage
