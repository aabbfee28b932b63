"""Intents, trainings and what is said of messages, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

Json = dict[str, Any]

MOST_INTENTS = 1_000
"""Intents of a tenant."""
MOST_EXAMPLES = 100_000
"""Examples of a tenant."""


@dataclass(frozen=True, slots=True)
class OfferedAction:
    """What may be offered to somebody with an intent."""

    id: str
    label: str = ""
    type: str = ""
    action: str = ""
    variant: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class IntentDraft:
    """An intent that is to be made."""

    name: str
    description: str = ""
    examples: tuple[str, ...] = ()
    actions: tuple[OfferedAction, ...] = ()


@dataclass(frozen=True, slots=True)
class IntentPatch:
    """Changes to an intent; None keeps what is there."""

    name: str | None = None
    description: str | None = None
    examples: tuple[str, ...] | None = None
    actions: tuple[OfferedAction, ...] | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """An intent of a tenant."""

    id: UUID
    name: str
    description: str
    examples: tuple[str, ...]
    """Empty where a list leaves them out."""
    example_count: int
    actions: tuple[OfferedAction, ...]
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """Changes with each change."""
        return str(self.version)


@dataclass(frozen=True, slots=True)
class IntentPage:
    """A page of intents by name."""

    intents: tuple[Intent, ...]
    following: str | None
    """Name after which the list goes on; None at its end."""
    total: int


class TrainingState(StrEnum):
    """How far a training is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether nothing changes any more."""
        return self in (TrainingState.SUCCEEDED, TrainingState.FAILED)


@dataclass(frozen=True, slots=True)
class Training:
    """A training of a tenant's intents."""

    id: UUID
    state: TrainingState
    progress: float
    step: str
    error: str
    report: Json | None
    """As `report.build` made it."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    active: bool
    """Whether its head is the one that answers."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An intent that is given in a call."""

    name: str
    description: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IntentPart:
    """One wish among several of a message."""

    intent: str
    confidence: float
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Classified:
    """What a message wants."""

    intent: str
    confidence: float
    scores: tuple[tuple[str, float], ...]
    """Likeliest first."""
    source: str
    """`trained`, `untrained`, `starter` or `given`, with `+provider` behind it where a provider refined it."""
    parts: tuple[IntentPart, ...] = ()
    actions: tuple[OfferedAction, ...] = ()

    def as_json(self) -> Json:
        """The result as an analysis gives it."""
        return {
            "intent": self.intent,
            "confidence": round(self.confidence, 4),
            "alternatives": [{"intent": name, "confidence": round(score, 4)} for name, score in self.scores[:5]],
            "parts": [
                {"intent": part.intent, "confidence": round(part.confidence, 4), "text": part.text,
                 "start": part.start, "end": part.end}
                for part in self.parts
            ],
            "suggested_actions": [action.id for action in self.actions],
            "source": self.source,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class QueryPattern:
    """Questions that are alike."""

    label: str
    examples: tuple[str, ...]
    intent: str
    count: int
    previous: int
    answered: int
    users: int
    first: datetime
    last: datetime

    @property
    def growth(self) -> float | None:
        """Against the span before; None where there were none."""
        return (self.count - self.previous) / self.previous if self.previous else None


@dataclass(frozen=True, slots=True)
class Patterns:
    """All patterns of a span."""

    patterns: tuple[QueryPattern, ...]
    looked_at: int
    total: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What to train on."""

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    examples: tuple[tuple[str, ...], ...]
    actions: dict[str, list[Json]] = field(default_factory=dict)
