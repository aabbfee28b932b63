"""Sources between the contract and plain values."""

from __future__ import annotations

from datetime import UTC, datetime

from deskwire.v1 import error_reason_pb2, source_pb2
from google.protobuf import field_mask_pb2

from deskwire_server.conversations.convert import timestamp
from deskwire_server.sources.models import (
    DEFAULT_INTERVAL,
    DEFAULT_PAGES,
    Page,
    PageOutcome,
    Source,
    SourceDraft,
    SourcePatch,
    SourceState,
    SyncReport,
)

_STATES = {
    SourceState.IDLE: source_pb2.SOURCE_STATE_IDLE,
    SourceState.QUEUED: source_pb2.SOURCE_STATE_QUEUED,
    SourceState.SYNCING: source_pb2.SOURCE_STATE_SYNCING,
    SourceState.FAILED: source_pb2.SOURCE_STATE_FAILED,
}
_OUTCOMES = {
    PageOutcome.TAKEN: source_pb2.PAGE_OUTCOME_TAKEN,
    PageOutcome.SKIPPED: source_pb2.PAGE_OUTCOME_SKIPPED,
    PageOutcome.FAILED: source_pb2.PAGE_OUTCOME_FAILED,
}
_OUTCOME_VALUES = {value: key.value for key, value in _OUTCOMES.items()}
_PATCHED = ("url", "sitemap_url", "category", "tags", "max_pages", "sync_interval")


def source(value: Source) -> source_pb2.Source:
    """A source for the wire."""
    made = source_pb2.Source(
        id=str(value.id),
        name=value.name,
        url=value.url,
        sitemap_url=value.sitemap_url,
        category=value.category,
        tags=value.tags,
        max_pages=value.max_pages,
        state=_STATES[value.state],
        article_count=value.article_count,
        create_time=timestamp(value.created_at),
        etag=str(value.version),
    )
    made.sync_interval.FromSeconds(value.sync_seconds)
    if value.report is not None:
        made.last_sync.CopyFrom(_report(value.report))
    if value.due_at is not None:
        made.next_sync_time.FromDatetime(value.due_at)
    return made


def draft(value: source_pb2.Source) -> SourceDraft:
    """What a source is made of."""
    return SourceDraft(
        value.name,
        value.url,
        value.sitemap_url,
        value.category,
        tuple(value.tags),
        value.max_pages or DEFAULT_PAGES,
        value.sync_interval.seconds if value.HasField("sync_interval") else DEFAULT_INTERVAL,
    )


def patch(value: source_pb2.Source, mask: field_mask_pb2.FieldMask) -> SourcePatch:
    """What shall change: the fields of the mask, or all that are set."""
    named = set(mask.paths) or {name for name in _PATCHED if _is_set(value, name)}
    return SourcePatch(
        url=value.url if "url" in named else None,
        sitemap_url=value.sitemap_url if "sitemap_url" in named else None,
        category=value.category if "category" in named else None,
        tags=tuple(value.tags) if "tags" in named else None,
        max_pages=(value.max_pages or DEFAULT_PAGES) if "max_pages" in named else None,
        sync_seconds=value.sync_interval.seconds if "sync_interval" in named else None,
    )


def outcome(value: source_pb2.PageOutcome.ValueType) -> str:
    """An outcome to look for; empty for all."""
    return _OUTCOME_VALUES.get(value, "")


def page(value: Page) -> source_pb2.SourcePage:
    """A page for the wire."""
    return source_pb2.SourcePage(
        url=value.url,
        article_id=str(value.article_id) if value.article_id else "",
        outcome=_OUTCOMES[value.outcome],
        reason=error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{value.reason or 'UNSPECIFIED'}"),
        message=value.message,
        check_time=timestamp(value.checked_at) if value.checked_at else None,
    )


def _is_set(value: source_pb2.Source, name: str) -> bool:
    return value.HasField("sync_interval") if name == "sync_interval" else bool(getattr(value, name))


def _report(value: SyncReport) -> source_pb2.SyncReport:
    return source_pb2.SyncReport(
        start_time=timestamp(datetime.fromtimestamp(value.started_at, UTC)),
        end_time=timestamp(datetime.fromtimestamp(value.ended_at, UTC)) if value.ended_at is not None else None,
        page_count=value.pages,
        created_count=value.created,
        updated_count=value.updated,
        unchanged_count=value.unchanged,
        removed_count=value.removed,
        skipped_count=value.skipped,
        failed_count=value.failed,
        message=value.message,
    )
