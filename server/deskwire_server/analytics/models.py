"""A tenant's events and the figures of a conversation, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from deskwire_server.turns.models import Connected, DurableEvent, GoAway, Heartbeat

_BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the order of a tenant's events: behind this event."""

    transaction: int
    """Number of the transaction that wrote it, over the life of the database cluster."""
    conversation_id: UUID = _BEFORE_ALL
    sequence: int = 0


BEGINNING = Place(0)
"""Before the first event."""


@dataclass(frozen=True, slots=True)
class TenantEvent:
    """An event of some conversation, or of the stream itself, and the place behind it."""

    place: Place
    event: DurableEvent | Connected | Heartbeat | GoAway
    conversation_id: UUID | None = None
    user_id: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Events behind a place that no running transaction can add to any more."""

    events: tuple[TenantEvent, ...]
    reached: Place
    """How far the page reaches: behind its last event, or, where it is not full, as far as events are settled."""
    is_full: bool
    is_expired: bool
    """Events behind the place asked for are gone."""
    is_ahead: bool
    """The place asked for lies beyond all that can be: it is of another database."""


@dataclass(frozen=True, slots=True)
class ConversationMetrics:
    """What happened in one conversation."""

    conversation_id: UUID
    events: tuple[tuple[str, int], ...] = ()
    """How often each kind of event happened, of those that are kept."""
    answered: int = 0
    mean_response_seconds: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None


def settled(transaction: int) -> Place:
    """Behind everything of lower transactions."""
    return replace(BEGINNING, transaction=transaction)
