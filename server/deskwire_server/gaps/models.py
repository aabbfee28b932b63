"""Gaps in the knowledge, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class GapStatus(StrEnum):
    """Whether a gap is still there."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class GapQuestion:
    """One question of a gap."""

    text: str
    conversation_id: UUID
    answer_id: UUID
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions that ask for the same and found no answer."""

    id: UUID
    question: str
    """The one that stands for them."""
    count: int
    users: int
    status: GapStatus
    article_id: UUID | None
    first_asked_at: datetime
    last_asked_at: datetime
    closed_at: datetime | None
    questions: tuple[GapQuestion, ...] = ()


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that was just found to have no answer."""

    turn_id: UUID
    conversation_id: UUID
    answer_id: UUID
    user_id: str
    text: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """A gap as new questions are compared with it."""

    id: UUID
    question: str
    vector: bytes
    """As half floats for the embedder that is asked about; empty where it was made by another one."""
