"""Sources and what their synchronisations do, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

DEFAULT_PAGES = 500
DEFAULT_INTERVAL = 86_400
SHORTEST_INTERVAL = 3_600


class SourceState(StrEnum):
    """What a source does now."""

    IDLE = "idle"
    QUEUED = "queued"
    SYNCING = "syncing"
    FAILED = "failed"


class PageOutcome(StrEnum):
    """What became of a page."""

    TAKEN = "taken"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SourceDraft:
    """What a source is made of."""

    name: str
    url: str
    sitemap_url: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    max_pages: int = DEFAULT_PAGES
    sync_seconds: int = DEFAULT_INTERVAL
    """Time between two synchronisations; 0: only when asked for."""


@dataclass(frozen=True, slots=True)
class SourcePatch:
    """New values of a source; None leaves one as it is."""

    url: str | None = None
    sitemap_url: str | None = None
    category: str | None = None
    tags: tuple[str, ...] | None = None
    max_pages: int | None = None
    sync_seconds: int | None = None

    def changes(self) -> dict[str, Any]:
        """The values that are new, by column."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(slots=True)
class SyncReport:
    """What a synchronisation has done so far. Times are seconds since 1970."""

    started_at: float
    ended_at: float | None = None
    pages: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: int = 0
    failed: int = 0
    message: str = ""

    @classmethod
    def from_json(cls, kept: Mapping[str, Any] | None) -> Self | None:
        """A report as it was kept."""
        return None if kept is None else cls(**kept)


@dataclass(frozen=True, slots=True)
class Source:
    """A source as callers see it."""

    id: UUID
    name: str
    url: str
    sitemap_url: str
    category: str
    tags: tuple[str, ...]
    max_pages: int
    sync_seconds: int
    state: SourceState
    report: SyncReport | None
    due_at: datetime | None
    article_count: int
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a source as it was last seen."""

    url: str
    outcome: PageOutcome
    article_id: UUID | None = None
    etag: str = ""
    last_modified: str = ""
    reason: str = ""
    message: str = ""
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A synchronisation that this worker has taken on."""

    tenant_id: UUID
    source_id: UUID
    attempt: int
    refetch: bool


@dataclass(slots=True)
class Progress:
    """What a synchronisation is about to write: pages, and the report so far."""

    report: SyncReport
    pages: list[Page] = field(default_factory=list)
