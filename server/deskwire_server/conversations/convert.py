"""Conversations and messages between the contract and plain values."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from deskwire.v1 import common_pb2, conversation_pb2
from google.protobuf import duration_pb2, field_mask_pb2, timestamp_pb2

from deskwire_server.conversations.models import Conversation, ConversationStatus, Message, conversation_from_row
from deskwire_server.turns.models import NewConversation

_STATUSES = {
    ConversationStatus.ACTIVE: conversation_pb2.CONVERSATION_STATUS_ACTIVE,
    ConversationStatus.COMPLETED: conversation_pb2.CONVERSATION_STATUS_COMPLETED,
    ConversationStatus.ABANDONED: conversation_pb2.CONVERSATION_STATUS_ABANDONED,
    ConversationStatus.BLOCKED: conversation_pb2.CONVERSATION_STATUS_BLOCKED,
}
_STATUS_VALUES = {value: key for key, value in _STATUSES.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROLES = {name.removeprefix("MESSAGE_ROLE_").lower(): value for name, value in common_pb2.MessageRole.items()}
_STATES = {name.removeprefix("MESSAGE_STATE_").lower(): value for name, value in common_pb2.MessageState.items()}
_FINISH_REASONS = {name.removeprefix("FINISH_REASON_").lower(): each for name, each in common_pb2.FinishReason.items()}
_OWNERS = {"bot": conversation_pb2.CONVERSATION_OWNER_BOT, "agent": conversation_pb2.CONVERSATION_OWNER_AGENT}
_ADDED_LATER = {"owner_kind": "bot", "owner_user_id": None, "owner_token": 1, "head_message_id": None, "summary": ""}
"""What events lack that were kept before conversations had it."""
_CHANGEABLE = ("name", "email", "phone", "company", "title", "tags", "metadata")


def timestamp(value: datetime | str | None) -> timestamp_pb2.Timestamp | None:
    """A moment as the contract carries it; text is what JSON made of a datetime."""
    if value is None:
        return None
    made = timestamp_pb2.Timestamp()
    set_timestamp(made, value)
    return made


def set_timestamp(target: timestamp_pb2.Timestamp, value: datetime | str) -> None:
    """Make `target` a moment."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    # In whole numbers: what the library does for the same costs several times as much, and every event has one.
    since = value - _EPOCH
    target.seconds = since.days * 86_400 + since.seconds
    target.nanos = since.microseconds * 1_000


def set_now(target: timestamp_pb2.Timestamp) -> None:
    """Make `target` this moment."""
    target.seconds, target.nanos = divmod(time.time_ns(), 1_000_000_000)


def moment(value: timestamp_pb2.Timestamp) -> datetime:
    """A moment of a request, which was checked to lie in the calendar as the message was parsed."""
    return value.ToDatetime(UTC)


def now() -> timestamp_pb2.Timestamp:
    """This moment."""
    made = timestamp_pb2.Timestamp()
    set_now(made)
    return made


def duration(seconds: float) -> duration_pb2.Duration:
    """A span in seconds as the contract carries it."""
    made = duration_pb2.Duration()
    set_duration(made, seconds)
    return made


def set_duration(target: duration_pb2.Duration, seconds: float) -> None:
    """Make `target` a span in seconds, present also where it is 0."""
    whole, microseconds = divmod(round(seconds * 1_000_000), 1_000_000)
    if whole < 0 and microseconds:
        # Both parts of a span have the same sign.
        whole, microseconds = whole + 1, microseconds - 1_000_000
    target.seconds = whole
    target.nanos = microseconds * 1_000


def status_value(status: conversation_pb2.ConversationStatus.ValueType) -> ConversationStatus:
    """A status of the contract; unspecified is completed, as `EndConversation` means it."""
    return _STATUS_VALUES.get(status, ConversationStatus.COMPLETED)


def conversation(value: Conversation) -> conversation_pb2.Conversation:
    """A conversation for the wire."""
    return conversation_pb2.Conversation(
        id=str(value.id),
        session_id=value.session_id,
        visitor_id=value.visitor_id,
        user_id=value.user_id,
        status=_STATUSES[value.status],
        title=value.title,
        name=value.name,
        email=value.email,
        phone=value.phone,
        company=value.company,
        tags=value.tags,
        metadata=value.metadata,
        last_sequence=value.last_sequence,
        message_count=value.message_count,
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        end_time=timestamp(value.ended_at),
        etag=str(value.version),
        active_turn_id=str(value.active_turn_id or ""),
        satisfaction_rating=value.satisfaction_rating,
        owner=_OWNERS[value.owner_kind],
        owner_token=value.owner_token,
        head_message_id=str(value.head_message_id or ""),
        summary=value.summary,
        earliest_sequence=value.earliest_sequence,
    )


def conversation_from_json(value: Mapping[str, Any]) -> conversation_pb2.Conversation:
    """A conversation as a change event keeps it."""
    row = {**_ADDED_LATER, **value}
    row |= {key: datetime.fromisoformat(row[key]) for key in ("created_at", "updated_at", "ended_at") if row[key]}
    row |= {key: UUID(row[key]) for key in ("id", "active_turn_id", "head_message_id") if row[key]}
    return conversation(conversation_from_row(row))


def new_conversation(value: conversation_pb2.Conversation) -> NewConversation:
    """What a request says of a conversation to be made."""
    return NewConversation(
        value.visitor_id,
        value.title,
        value.name,
        value.email,
        value.phone,
        value.company,
        tuple(value.tags),
        dict(value.metadata),
    )


def changes(value: conversation_pb2.Conversation, mask: field_mask_pb2.FieldMask) -> dict[str, Any]:
    """The fields that an update changes: those of the mask, or all that are set."""
    paths = list(mask.paths) or [name for name in _CHANGEABLE if getattr(value, name)]
    plain = {name: getattr(value, name) for name in paths}
    if "tags" in plain:
        plain["tags"] = list(value.tags)
    if "metadata" in plain:
        plain["metadata"] = dict(value.metadata)
    return plain


def message(value: Message) -> common_pb2.Message:
    """A stored message for the wire."""
    return message_from_json(
        {
            "id": str(value.id),
            "conversation_id": str(value.conversation_id),
            "turn_id": str(value.turn_id),
            "parent_id": str(value.parent_id) if value.parent_id else None,
            "role": value.role,
            "text": value.text,
            "state": value.state,
            "sequence": value.sequence,
            "request_id": value.request_id,
            "details": value.details,
            "created_at": value.created_at,
        }
    )


def message_from_json(value: Mapping[str, Any]) -> common_pb2.Message:
    """A message in the shape of the database's `message_json`."""
    made = common_pb2.Message()
    fill_message(made, value)
    return made


def fill_message(target: common_pb2.Message, value: Mapping[str, Any]) -> None:
    """Make `target` that message."""
    target.id = value["id"]
    target.conversation_id = value["conversation_id"]
    target.role = _ROLES[value["role"]]
    target.text = value["text"]
    if value["created_at"] is not None:
        set_timestamp(target.create_time, value["created_at"])
    target.sequence = value["sequence"]
    target.turn_id = value["turn_id"] or ""
    target.state = _STATES[value["state"]]
    if value["details"]:
        _fill_details(target.answer, value["details"])
    target.request_id = value["request_id"]
    target.parent_message_id = value["parent_id"] or ""


def citation(value: Mapping[str, Any]) -> common_pb2.Citation:
    """A citation in the shape that answers keep."""
    return common_pb2.Citation(**value)


def _fill_details(target: common_pb2.AnswerDetails, value: Mapping[str, Any]) -> None:
    target.intent = value["intent"]
    target.confidence = value["confidence"]
    target.actions.extend([common_pb2.Action(**action) for action in value["actions"]])
    target.follow_up_questions.extend(value["follow_ups"])
    target.citations.extend([citation(each) for each in value["citations"]])
    usage, spent = value["usage"], target.usage
    spent.input_tokens = usage["input_tokens"]
    spent.output_tokens = usage["output_tokens"]
    spent.cached_input_tokens = usage["cached_input_tokens"]
    spent.total_tokens = usage["input_tokens"] + usage["output_tokens"]
    target.model = value["model"]
    target.provider = value["provider"]
    target.finish_reason = _FINISH_REASONS[value["finish_reason"]]
    set_duration(target.processing_time, value["processing_seconds"])
    target.language = value["language"]
    target.grounded = value["grounded"]
    if value["data"]:
        target.data.update(value["data"])
    if value["entities"]:
        target.entities.update(value["entities"])
