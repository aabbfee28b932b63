"""The embedders of a tenant: which one search uses, which ones are kept beside it, and how they compare."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Status(StrEnum):
    """What a tenant has of an embedder."""

    BUILDING = "building"
    """Its vectors are being made; search does not use them."""
    READY = "ready"
    """Every passage has its vector, and new ones get theirs; it can be made active."""
    ACTIVE = "active"
    """Search uses it."""
    RETIRED = "retired"
    """Its vectors are gone or going."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the nearest passages of sample questions differ from those of the embedder that was active then."""

    beside: str
    """Name of the embedder that was active."""
    samples: int
    overlap: float
    """Mean share of the nearest ten passages that both found."""
    own_article: float
    """Share of samples, sentences of articles, whose own article is among the nearest ten."""
    own_article_beside: float
    """The same by the embedder that was active."""


@dataclass(frozen=True, slots=True)
class EmbedderState:
    """A row of `knowledge_embedders`."""

    name: str
    dimensions: int
    status: Status
    is_chosen: bool
    shard: int
    is_indexed: bool
    comparison: Comparison | None
    started_at: datetime
    ready_at: datetime | None
    activated_at: datetime | None


@dataclass(frozen=True, slots=True)
class EmbedderView:
    """An embedder as administrators see it."""

    name: str
    dimensions: int
    state: EmbedderState | None
    """None: the server has it, and the tenant has not used it."""
    is_available: bool
    """Whether this server has it."""
    passages: int
    embedded: int
    """Passages with a vector of it."""


@dataclass(frozen=True, slots=True)
class Work:
    """An embedder of a tenant that may need work."""

    tenant_id: UUID
    name: str
