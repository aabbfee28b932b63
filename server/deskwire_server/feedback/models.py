"""Feedback on answers as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class Sentiment(StrEnum):
    """Whether somebody liked an answer."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one user thinks of one answer."""

    id: UUID
    conversation_id: UUID
    message_id: UUID
    user_id: str
    sentiment: Sentiment
    rating: int | None
    comment: str
    categories: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Submission:
    """What a user says of an answer."""

    conversation_id: UUID
    message_id: UUID
    sentiment: Sentiment
    rating: int | None = None
    """1 to 5."""
    comment: str = ""
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time, the start inclusive, the end exclusive; None is open."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which feedback to list."""

    user_id: str = ""
    """Empty: all that the caller may see."""
    conversation_id: UUID | None = None
    sentiment: Sentiment | None = None
    created: Span = Span()
    before: tuple[datetime, UUID] | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """Feedback counted together."""

    count: int
    positive: int
    rated: int
    mean_rating: float | None

    @property
    def negative(self) -> int:
        """How many are bad."""
        return self.count - self.positive

    @property
    def positive_share(self) -> float | None:
        """Share of the good ones, 0 to 1; None when there are none at all."""
        return self.positive / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class Summary:
    """Feedback and satisfaction of a tenant."""

    figures: Figures
    categories: tuple[tuple[str, Figures], ...]
    """Most frequent first."""
    satisfaction_count: int
    mean_satisfaction: float | None


def feedback_from_row(row: Any, prefix: str = "") -> Feedback:
    """A row (by column name) of the table `feedback`; in joins its own columns have a prefix."""
    return Feedback(
        id=row[f"{prefix}id"],
        conversation_id=row["conversation_id"],
        message_id=row[f"{prefix}message_id"],
        user_id=row[f"{prefix}user_id"],
        sentiment=Sentiment(row[f"{prefix}sentiment"]),
        rating=row[f"{prefix}rating"],
        comment=row[f"{prefix}comment"],
        categories=tuple(row[f"{prefix}categories"]),
        created_at=row[f"{prefix}created_at"],
        updated_at=row[f"{prefix}updated_at"],
    )
