"""Stream events as the contract's envelope."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from deskwire.v1 import chat_pb2, common_pb2, error_reason_pb2, event_pb2

from deskwire_server.chat import convert
from deskwire_server.chat.convert import EventConverter
from deskwire_server.turns.models import (
    Connected,
    DurableEvent,
    GoAway,
    Heartbeat,
    SourcesFound,
    StreamEvent,
    TextAdded,
    TypingChanged,
    WhileAnswering,
)

CONVERSATION, TURN, MESSAGE = uuid4(), uuid4(), uuid4()
NOW = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def converter() -> EventConverter:
    return EventConverter(CONVERSATION, degraded=lambda: ["redis"], provider="builtin")


def envelope_of(converter: EventConverter, event: StreamEvent) -> event_pb2.ConversationEvent:
    envelope = event_pb2.ConversationEvent()
    converter.fill(envelope, event)
    return envelope


def stored(**fields: object) -> dict[str, object]:
    return {
        "id": str(MESSAGE), "conversation_id": str(CONVERSATION), "turn_id": str(TURN), "parent_id": None,
        "role": "assistant", "text": "Half", "state": "failed", "sequence": 3, "request_id": "", "details": None,
        "created_at": NOW,
    } | fields  # fmt: skip


def test_live_events_have_no_sequence(converter: EventConverter) -> None:
    for event, kind in (
        (TextAdded(TURN, MESSAGE, 1, 4, "x"), "text_delta"),
        (SourcesFound(TURN, MESSAGE, ({"number": 1, "title": "T"},)), "citations_found"),
        (TypingChanged("assistant", True, TURN, 0.5), "typing"),
        (Connected(None, 0.25), "connection_status"),
        (Heartbeat(), "heartbeat"),
        (GoAway(7, draining=True), "go_away"),
    ):
        envelope = envelope_of(converter, event)
        assert envelope.WhichOneof("event") == kind
        assert envelope.sequence == 0
        assert envelope.conversation_id == str(CONVERSATION)
        assert envelope.create_time.seconds


def test_where_a_stream_that_ends_may_be_resumed(converter: EventConverter) -> None:
    draining, too_long = (envelope_of(converter, GoAway(7, draining=value)).go_away for value in (True, False))
    assert (draining.reason, too_long.reason) == (error_reason_pb2.ERROR_REASON_SERVER_DRAINING, 0)
    assert draining.after_sequence == too_long.after_sequence == 7


def test_the_state_of_a_stream_tells_what_is_degraded(converter: EventConverter) -> None:
    status = envelope_of(converter, Connected(None, 0.25)).connection_status
    assert (list(status.degraded), status.provider) == (["redis"], "builtin")
    assert status.latency.ToMilliseconds() == 250


def test_a_failure_names_its_reason_and_keeps_the_text(converter: EventConverter) -> None:
    payload = {"reason": "RESPONSE_TIMEOUT", "message": "took too long", "retryable": True, "partial": stored()}
    envelope = envelope_of(converter, DurableEvent(3, TURN, "turn_failed", payload, NOW))
    assert (envelope.sequence, envelope.turn_id) == (3, str(TURN))
    assert envelope.turn_failed.reason == error_reason_pb2.ERROR_REASON_RESPONSE_TIMEOUT
    assert envelope.turn_failed.partial_message.text == "Half"
    assert envelope.turn_failed.partial_message.state == common_pb2.MESSAGE_STATE_FAILED


@pytest.mark.parametrize(
    ("reason", "told"), [("ABANDONED", error_reason_pb2.ERROR_REASON_ABANDONED), ("", 0), (None, 0), ("made up", 0)]
)
def test_a_cancellation_without_a_reason_of_the_contract(
    converter: EventConverter, reason: str | None, told: int
) -> None:
    envelope = envelope_of(converter, DurableEvent(3, TURN, "turn_cancelled", {"reason": reason}, NOW))
    assert envelope.turn_cancelled.reason == told
    assert not envelope.turn_cancelled.HasField("partial_message")


def test_commands() -> None:
    request = chat_pb2.ChatRequest(session_id="s", message=chat_pb2.UserMessage(text="Hi"))
    where = convert.target(request)
    assert (where.conversation_id, where.session_id) == (None, "s")
    made = convert.command(where, request.message, request.context)
    assert made.while_answering is WhileAnswering.QUEUE
    assert (made.options.temperature, made.options.max_tokens, made.options.include_history) == (None, None, True)
    request.message.options.CopyFrom(common_pb2.AnswerOptions(provider="auto", temperature=0, include_history=False))
    options = convert.options(request.message.options)
    assert (options.provider, options.temperature, options.include_history) == ("", 0, False)
    request.new_conversation.title = "T"
    assert convert.target(request).new.title == "T"


def pieces(count: int, text: str = "x") -> list[StreamEvent]:
    return [TextAdded(TURN, MESSAGE, 1, number, text) for number in range(count)]


def offsets(made: list[chat_pb2.SendMessageResponse]) -> list[list[int]]:
    return [[event.text_delta.offset for event in (each.event, *each.more_events)] for each in made]


def test_events_come_one_by_one_unless_bundles_are_asked_for(converter: EventConverter) -> None:
    made = convert.responses(chat_pb2.SendMessageResponse, converter, pieces(3), bundled=False)
    assert offsets(list(made)) == [[0], [1], [2]]
    made = convert.responses(chat_pb2.SendMessageResponse, converter, pieces(3), bundled=True)
    assert offsets(list(made)) == [[0, 1, 2]]
    assert not list(convert.responses(chat_pb2.SendMessageResponse, converter, [], bundled=True))


def test_bundles_are_bounded(converter: EventConverter) -> None:
    many = offsets(list(convert.responses(chat_pb2.SendMessageResponse, converter, pieces(150), bundled=True)))
    assert [len(each) for each in many] == [64, 64, 22]
    assert [offset for each in many for offset in each] == list(range(150))
    large = convert.responses(chat_pb2.SendMessageResponse, converter, pieces(4, "x" * 40_000), bundled=True)
    assert offsets(list(large)) == [[0, 1], [2, 3]]
