"""Conversations and messages as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from deskwire_server.feedback.models import Feedback


class ConversationStatus(StrEnum):
    """State of a conversation."""

    ACTIVE = "active"
    COMPLETED = "completed"
    ABANDONED = "abandoned"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as callers see it."""

    id: UUID
    user_id: str
    session_id: str
    visitor_id: str
    status: ConversationStatus
    title: str
    name: str
    email: str
    phone: str
    company: str
    tags: tuple[str, ...]
    metadata: dict[str, str]
    last_sequence: int
    earliest_sequence: int
    message_count: int
    version: int
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    active_turn_id: UUID | None = None
    satisfaction_rating: int | None = None
    """1 to 5; None until its user rated it."""
    owner_kind: str = "bot"
    """`bot` or `agent`."""
    owner_user_id: str = ""
    """The agent who owns it; empty for the assistant."""
    owner_token: int = 1
    """Rises with each change of owner."""
    head_message_id: UUID | None = None
    """Newest message of the active branch."""
    summary: str = ""
    """Of what an answer on the active branch does not see in full any more; empty while that is nothing."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `details` holds the `AnswerDetails` of an answer as JSON."""

    id: UUID
    conversation_id: UUID
    turn_id: UUID
    parent_id: UUID | None
    role: str
    text: str
    state: str
    sequence: int
    request_id: str
    details: dict[str, Any] | None
    created_at: datetime
    feedback: Feedback | None = None
    """What the conversation's user thinks of an answer."""
    alternatives: tuple[UUID, ...] = ()
    """Messages in the same place, this one included, oldest first; empty when it is the only one."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and what was answered, None when the turn ended without text or has not ended."""

    turn_id: UUID
    asked_at: datetime
    question: Message
    answer: Message | None


def conversation_from_row(row: Any) -> Conversation:
    """A row (by column name) of the table `conversations`, with `active_turn_id` and `head_message_id` beside."""
    return Conversation(
        id=row["id"],
        user_id=row["user_id"],
        session_id=row["session_id"] or "",
        visitor_id=row["visitor_id"],
        status=ConversationStatus(row["status"]),
        title=row["title"],
        name=row["name"],
        email=row["email"],
        phone=row["phone"],
        company=row["company"],
        tags=tuple(row["tags"]),
        metadata=dict(row["metadata"]),
        last_sequence=row["last_sequence"],
        earliest_sequence=row["earliest_sequence"],
        message_count=row["message_count"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        ended_at=row["ended_at"],
        active_turn_id=row["active_turn_id"],
        satisfaction_rating=row["satisfaction_rating"],
        owner_kind=row["owner_kind"],
        owner_user_id=row["owner_user_id"] or "",
        owner_token=row["owner_token"],
        head_message_id=row["head_message_id"],
        summary=row["summary"],
    )
