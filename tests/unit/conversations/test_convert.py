"""Conversations and messages between the contract and plain values."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import orjson
import pytest
from deskwire.v1 import common_pb2, conversation_pb2
from google.protobuf import field_mask_pb2
from google.protobuf.json_format import MessageToDict

from deskwire_server.conversations import convert
from deskwire_server.conversations.models import Conversation, ConversationStatus

NOW = datetime(2026, 5, 4, 3, 2, 1, 987654, tzinfo=UTC)


def conversation(**changes: object) -> Conversation:
    values = {
        "id": uuid4(), "user_id": "ana", "session_id": "s", "visitor_id": "v", "status": ConversationStatus.COMPLETED,
        "title": "T", "name": "N", "email": "e@x.org", "phone": "1", "company": "C", "tags": ("a", "b"),
        "metadata": {"k": "v"}, "last_sequence": 7, "earliest_sequence": 1, "message_count": 3, "version": 2,
        "created_at": NOW, "updated_at": NOW, "ended_at": NOW, "active_turn_id": uuid4(),
    }  # fmt: skip
    return Conversation(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{}, {"ended_at": None, "active_turn_id": None, "tags": (), "metadata": {}}])
def test_a_change_event_gives_back_what_was_stored(changes: dict[str, object]) -> None:
    value = conversation(**changes)
    stored = orjson.loads(orjson.dumps(asdict(value), default=str))
    assert convert.conversation_from_json(stored) == convert.conversation(value)


@pytest.mark.parametrize("status", list(ConversationStatus))
def test_every_status_has_its_name(status: ConversationStatus) -> None:
    shown = convert.conversation(conversation(status=status)).status
    assert conversation_pb2.ConversationStatus.Name(shown) == f"CONVERSATION_STATUS_{status.name}"
    assert convert.status_value(shown) is status
    assert convert.status_value(conversation_pb2.CONVERSATION_STATUS_UNSPECIFIED) is ConversationStatus.COMPLETED


def test_moments_of_any_zone_and_spelling() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    for value in (NOW, elsewhere, NOW.isoformat(), elsewhere.isoformat()):
        moment = convert.timestamp(value)
        assert moment is not None
        assert moment.ToDatetime(UTC) == NOW
    assert convert.timestamp(None) is None


def test_changes_are_those_of_the_mask_or_all_that_are_set() -> None:
    value = conversation_pb2.Conversation(title="T", tags=["a"], metadata={"k": "v"}, user_id="eve")
    everything = convert.changes(value, field_mask_pb2.FieldMask())
    assert everything == {"title": "T", "tags": ["a"], "metadata": {"k": "v"}}
    masked = convert.changes(value, field_mask_pb2.FieldMask(paths=["name", "tags"]))
    assert masked == {"name": "", "tags": ["a"]}, "a field of the mask that is empty is cleared"


def test_a_message_with_and_without_details() -> None:
    stored = {
        "id": "m", "conversation_id": "c", "turn_id": None, "parent_id": None, "role": "assistant", "text": "x",
        "state": "cancelled", "sequence": 4, "request_id": "", "details": None, "created_at": NOW.isoformat(),
    }  # fmt: skip
    plain = convert.message_from_json(stored)
    assert (plain.role, plain.state) == (common_pb2.MESSAGE_ROLE_ASSISTANT, common_pb2.MESSAGE_STATE_CANCELLED)
    assert not plain.HasField("answer")
    details = {
        "intent": "billing", "confidence": 0.5, "actions": [{"id": "a", "label": "L"}], "follow_ups": ["More?"],
        "citations": [{"number": 1, "title": "T"}], "model": "m", "provider": "p", "finish_reason": "stop",
        "usage": {"input_tokens": 3, "output_tokens": 4, "cached_input_tokens": 1}, "processing_seconds": 1.25,
        "language": "de", "grounded": True, "data": {"plan": "pro"}, "entities": {"amounts": [1, 2]},
    }  # fmt: skip
    answer = convert.message_from_json(stored | {"details": details}).answer
    assert answer.usage.total_tokens == 7
    assert answer.finish_reason == common_pb2.FINISH_REASON_STOP
    assert answer.processing_time.ToTimedelta() == timedelta(seconds=1.25)
    assert dict(answer.data) == {"plan": "pro"}
    assert MessageToDict(answer.entities) == {"amounts": [1, 2]}
