"""Compares the clients' journals and the provider's log with the database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.chaos.database import ENDED, TERMINAL, Message, Stored, StoredEvent, Turn
from benchmarks.chaos.findings import Findings
from benchmarks.chaos.question import Question, conversation_of, strangers
from benchmarks.chaos.streams import Watched

MODEL = "compatible"
"""The provider whose calls are counted; what the server writes itself costs none."""


def reconcile(
    stored: Stored, journal: Iterable[dict[str, Any]], calls: Mapping[str, int], sent: Mapping[str, int]
) -> Findings:
    """Every rule. `calls` are those that the provider got, `sent` those that left for it, both by nonce."""
    findings = Findings()
    questions = {each.id: each for turn in stored.turns.values() for each in turn.messages if each.role == "user"}
    for turn in stored.turns.values():
        _turn(turn, questions.get(turn.question_id), findings)
    for conversation, events in stored.events.items():
        _events(conversation, events, stored, findings)
    _requests(stored, findings)
    _written(stored, findings)
    _usage(stored, calls, sent, findings)
    _journals(stored, journal, findings)
    return findings


def provider_calls(log: Path) -> Counter[str]:
    """Calls by nonce, out of the provider's log."""
    return Counter(log.read_text().split())


def _turn(turn: Turn, question: Message | None, findings: Findings) -> None:
    """A turn has come to its end, once, with the right text."""
    findings.counts["turns"] += 1
    findings.counts[f"turns {turn.state}"] += 1
    findings.counts["attempts after the first"] += max(0, turn.attempt - 1)
    name = f"turn {turn.id} ({turn.request_id})"
    if turn.state not in ENDED:
        findings.lost.append(f"{name} never ended: {turn.state}, attempt {turn.attempt}")
    if turn.state in ENDED - {"completed"} and not turn.reason:
        findings.lost.append(f"{name} is {turn.state} without a reason")
    if turn.state == "failed":
        findings.counts[f"failed: {turn.reason}"] += 1
    questions = [each for each in turn.messages if each.role == "user"]
    answers = [each for each in turn.messages if each.role == "assistant"]
    if question is None:
        findings.lost.append(f"{name} has no question")
    # A further answer to a question has none of its own.
    if len(answers) > 1 or len(questions) != (turn.request_id == turn.nonce):
        findings.duplicated.append(f"{name} has {len(questions)} questions and {len(answers)} answers")
    if turn.state == "completed" and not answers:
        findings.lost.append(f"{name} is completed without an answer")
    for each in turn.messages:
        if each.conversation != turn.conversation:
            findings.mixed.append(f"message {each.id} of {name} stands in another conversation")
        if strange := strangers(each.text, [turn.nonce]):
            findings.mixed.append(f"{name} has text of {', '.join(sorted(strange))}")
    if turn.tenant != f"chaos-{turn.request_id[1:].partition('u')[0]}":
        findings.mixed.append(f"{name} belongs to the tenant {turn.tenant}")
    if question and answers:
        _answer(turn, Question.of(question.text), answers[0].text, findings)


def _answer(turn: Turn, question: Question | None, text: str, findings: Findings) -> None:
    """The model's answer is the one to this question; a stopped one is its beginning."""
    if question is None or question.nonce != turn.nonce:
        findings.mixed.append(f"turn {turn.id} ({turn.request_id}) has another question")
        return
    if text == question.answer:
        findings.counts["answers by the model"] += 1
    elif question.nonce in text and (turn.state == "completed" or not question.answer.startswith(text)):
        # An answer that the server wrote by itself, for want of the model, has no word of the model in it.
        findings.mixed.append(f"turn {turn.id} ({turn.request_id}) has a wrong answer: {text[:120]!r}")
    elif turn.state == "completed":
        findings.counts["answers without the model"] += 1


def _events(conversation: str, events: dict[int, StoredEvent], stored: Stored, findings: Findings) -> None:
    """Sequences without gaps; each turn accepted once, ended once, and no two turns at the same time."""
    findings.counts["events"] += len(events)
    last = stored.last_sequence.get(conversation, 0)
    if sorted(events) != list(range(1, last + 1)):
        findings.lost.append(f"conversation {conversation} has gaps in its sequence up to {last}")
    accepted: Counter[str] = Counter()
    ended: set[str] = set()
    attempts: dict[str, int] = {}
    running = ""
    for sequence in sorted(events):
        event = events[sequence]
        where = f"event {sequence} of conversation {conversation}"
        if event.turn in ended:
            findings.duplicated.append(f"{where}: {event.kind} behind the end of turn {event.turn}")
        if event.kind in ("message_accepted", "regeneration_accepted"):
            accepted[event.turn] += 1
        elif event.kind == "turn_started":
            if running not in ("", event.turn):
                findings.mixed.append(f"{where}: turn {event.turn} began while {running} ran")
            if event.attempt <= attempts.get(event.turn, 0):
                findings.mixed.append(f"{where}: attempt {event.attempt} after {attempts[event.turn]}")
            running, attempts[event.turn] = event.turn, event.attempt
        elif event.kind in TERMINAL:
            ended.add(event.turn)
            running = "" if running == event.turn else running
    for turn, count in accepted.items():
        if count > 1:
            findings.duplicated.append(f"turn {turn} was accepted {count} times")
        if turn not in ended:
            findings.lost.append(f"turn {turn} has no last event")


def _requests(stored: Stored, findings: Findings) -> None:
    """One turn a request."""
    by_request: dict[tuple[str, str, str], list[Turn]] = defaultdict(list)
    conversations: dict[str, set[str]] = defaultdict(set)
    for turn in stored.turns.values():
        by_request[turn.tenant, turn.user, turn.request_id].append(turn)
        conversations[conversation_of(turn.nonce)].add(turn.conversation)
    for key, turns in by_request.items():
        if len(turns) > 1:
            findings.duplicated.append(f"the request {key} has {len(turns)} turns")
    for name, found in conversations.items():
        if len(found) > 1:
            findings.mixed.append(f"questions of the conversation {name} stand in {len(found)} conversations")


def _written(stored: Stored, findings: Findings) -> None:
    """Titles are about the conversation that bears them."""
    names = {turn.conversation: conversation_of(turn.nonce) for turn in stored.turns.values()}
    for conversation, text in stored.written.items():
        if any(conversation_of(nonce) != names.get(conversation) for nonce in strangers(text, ())):
            findings.mixed.append(f"conversation {conversation} bears the title {text!r}")


def _usage(stored: Stored, calls: Mapping[str, int], sent: Mapping[str, int], findings: Findings) -> None:
    """A row for each call that the provider got, and none for a call that did not even leave.

    Only a worker knows what it called. Where one was lost with its attempt, the database books an estimate, whether the
    call had been made or not; titles and summaries have no attempts, so a call that is lost with its worker has no row.
    A call that is stopped while it is on its way has a row, whether it had left or not.
    """
    background: Counter[str] = Counter()
    exact: Counter[str] = Counter()
    estimated: Counter[str] = Counter()
    stopped: Counter[str] = Counter()
    for turn in stored.turns.values():
        stopped[turn.nonce] += turn.state in ("cancelled", "interrupted")
        for row in turn.usage:
            if not row.attempt and row.estimated:
                findings.counts["rows of usage for titles and summaries, estimated"] += 1
            elif not row.attempt and row.provider == MODEL:
                background[conversation_of(turn.nonce)] += 1
            elif row.estimated:
                estimated[turn.nonce] += 1
            elif row.attempt and row.provider == MODEL:
                exact[turn.nonce] += 1
    for nonce in {turn.nonce for turn in stored.turns.values()}:
        made = calls.get(nonce, 0)
        findings.counts["provider calls for answers"] += made
        findings.counts["rows of calls that were stopped before they left"] += max(0, exact[nonce] - sent.get(nonce, 0))
        spare = max(0, exact[nonce] + estimated[nonce] - made)
        findings.counts["rows of usage for answers, estimated without a call"] += min(estimated[nonce], spare)
        if exact[nonce] > sent.get(nonce, 0) + stopped[nonce] or exact[nonce] + estimated[nonce] < made:
            findings.usage.append(
                f"question {nonce}: {sent.get(nonce, 0)} calls sent, {made} arrived, "
                f"{exact[nonce]} rows of usage, {estimated[nonce]} estimated"
            )
    findings.counts["rows of usage for answers"] += exact.total()
    findings.counts["rows of usage for answers, estimated"] += estimated.total()
    for name in background.keys() | {key for key in calls if "m" not in key}:
        rows_of, made = background[name], calls.get(name, 0)
        findings.counts["provider calls for titles and summaries"] += made
        findings.counts["rows of usage for titles and summaries"] += rows_of
        if rows_of > made:
            findings.usage.append(f"conversation {name}: {rows_of} rows of usage for {made} titles and summaries")


def _journals(stored: Stored, journal: Iterable[dict[str, Any]], findings: Findings) -> None:
    """What clients were told is what is stored."""
    streams: dict[tuple[str, int], Watched] = {}
    sent: dict[str, str] = {}
    told: set[str] = set()
    turn_of: dict[str, str] = {}
    for line in journal:
        kind = line["k"]
        if kind == "sent":
            sent[line["r"]] = line["c"]
        elif kind == "lost":
            findings.lost.append(line["what"])
        elif kind == "failed-call":
            findings.counts["failed calls"] += 1
        elif kind == "lag":
            continue
        elif kind == "stream":
            findings.counts["streams"] += 1
            streams[line["p"], line["s"]] = Watched(line["of"], line["c"], line["s"], stored, findings)
        else:
            stream = streams[line["p"], line["s"]]
            if kind == "event":
                stream.event(line)
                if line["e"] in ("message_accepted", "regeneration_accepted") and line["r"]:
                    _accepted(line, turn_of, findings)
                if line["e"] in TERMINAL:
                    told.add(line["u"])
            elif kind == "state":
                stream.state(line["state"])
            else:
                stream.over(line["outcome"])
                del streams[line["p"], line["s"]]
    _acknowledged(stored, sent, told, turn_of, findings)


def _accepted(line: Mapping[str, Any], turn_of: dict[str, str], findings: Findings) -> None:
    known = turn_of.setdefault(line["r"], line["u"])
    if known != line["u"]:
        findings.duplicated.append(f"the request {line['r']} was accepted as turn {known} and as {line['u']}")


def _acknowledged(
    stored: Stored, sent: Mapping[str, str], told: set[str], turn_of: Mapping[str, str], findings: Findings
) -> None:
    """Nothing that was acknowledged is lost, and who asked was told how it ended."""
    findings.counts["messages sent"] = len(sent)
    findings.counts["messages acknowledged"] = len(turn_of)
    for request, turn_id in turn_of.items():
        turn = stored.turns.get(turn_id)
        if turn is None:
            findings.lost.append(f"the message {request} was acknowledged as turn {turn_id}, which is not there")
        elif turn.request_id != request:
            findings.mixed.append(f"the message {request} was acknowledged as turn {turn_id} of {turn.request_id}")
        elif sent.get(request, turn.conversation) != turn.conversation:
            findings.mixed.append(f"the message {request} went to another conversation")
        elif turn_id not in told:
            findings.lost.append(f"nobody was told how turn {turn_id} ({request}) ended")
    for request in sent.keys() - turn_of.keys():
        findings.lost.append(f"the message {request} was never acknowledged, in spite of every repeat")
