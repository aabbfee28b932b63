"""Statements on sources. Every one runs in a transaction bound to the tenant, but for those of the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.errors import AlreadyExists
from deskwire_server.sources.models import Due, Page, PageOutcome, Source, SourceDraft, SourceState, SyncReport

CLAIM = """
    UPDATE source_syncs s SET worker_id = $1, lease_until = now() + $2 * interval '1 second', attempt = s.attempt + 1
    FROM (SELECT tenant_id, source_id FROM source_syncs
          WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())
          ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) due
    WHERE s.tenant_id = due.tenant_id AND s.source_id = due.source_id
    RETURNING s.tenant_id, s.source_id, s.attempt, s.refetch
"""
RENEW = """
    UPDATE source_syncs SET lease_until = now() + $4 * interval '1 second'
    WHERE tenant_id = $1 AND source_id = $2 AND attempt = $3 AND lease_until > now() RETURNING true
"""
RELEASE = """
    UPDATE source_syncs SET lease_until = NULL, worker_id = NULL
    WHERE tenant_id = $1 AND source_id = $2 AND attempt = $3
"""
_COLUMNS = """
    s.*, y.due_at, y.due_at <= now() AS is_due, coalesce(y.lease_until > now(), false) AS is_running,
    (SELECT count(*) FROM source_pages p WHERE p.tenant_id = s.tenant_id AND p.source_id = s.id
     AND p.article_id IS NOT NULL) AS article_count
"""
_FROM = "FROM sources s JOIN source_syncs y ON y.tenant_id = s.tenant_id AND y.source_id = s.id"


async def create(connection: AsyncConnection, tenant_id: UUID, draft: SourceDraft) -> UUID:
    """Make a source that is due at once. Raises `AlreadyExists`."""
    try:
        made = await connection.execute(
            text("""
                INSERT INTO sources (tenant_id, name, url, sitemap_url, category, tags, max_pages, sync_seconds)
                VALUES (:tenant, :name, :url, :sitemap_url, :category, :tags, :max_pages, :sync_seconds) RETURNING id
            """),
            {"tenant": tenant_id, **asdict(draft), "tags": list(draft.tags)},
        )
    except IntegrityError as error:
        raise AlreadyExists("there is a source of this name", metadata={"resource": "source"}) from error
    source_id: UUID = made.scalar_one()
    await connection.execute(
        text("INSERT INTO source_syncs (tenant_id, source_id, due_at) VALUES (:tenant, :id, now())"),
        {"tenant": tenant_id, "id": source_id},
    )
    return source_id


async def count(connection: AsyncConnection) -> int:
    """How many sources the tenant has."""
    return int((await connection.execute(text("SELECT count(*) FROM sources"))).scalar_one())


async def get(connection: AsyncConnection, source_id: UUID, *, lock: bool = False) -> Source | None:
    """One source, kept until the transaction ends where `lock` is set."""
    suffix = " FOR UPDATE OF s" if lock else ""
    found = await connection.execute(text(f"SELECT {_COLUMNS} {_FROM} WHERE s.id = :id{suffix}"), {"id": source_id})
    row = found.mappings().first()
    return None if row is None else _source(row)


async def list_page(connection: AsyncConnection, after: str, limit: int) -> list[Source]:
    """Sources whose names come after one, by name."""
    statement = text(f"SELECT {_COLUMNS} {_FROM} WHERE s.name > :after ORDER BY s.name LIMIT :limit")
    found = await connection.execute(statement, {"after": after, "limit": limit})
    return [_source(row) for row in found.mappings()]


async def update(connection: AsyncConnection, source_id: UUID, changes: Mapping[str, Any]) -> None:
    """Set columns of a source."""
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in changes.items()}
    columns = "".join(f"{name} = :{name}, " for name in values)
    await connection.execute(
        text(f"UPDATE sources SET {columns}version = version + 1 WHERE id = :id"), {**values, "id": source_id}
    )


async def make_due(connection: AsyncConnection, source_id: UUID, *, refetch: bool) -> None:
    """Let a source be synchronised as soon as a worker is free. One that is being synchronised stays as it is."""
    await connection.execute(
        text("""
            UPDATE source_syncs SET due_at = now(), refetch = refetch OR :refetch
            WHERE source_id = :id AND NOT coalesce(lease_until > now(), false)
        """),
        {"id": source_id, "refetch": refetch},
    )


async def reschedule(connection: AsyncConnection, source_id: UUID) -> None:
    """Set the next synchronisation by the interval that the source has now."""
    await connection.execute(
        text("""
            UPDATE source_syncs y SET due_at = CASE WHEN s.sync_seconds > 0
                THEN now() + s.sync_seconds * interval '1 second' END
            FROM sources s WHERE s.tenant_id = y.tenant_id AND s.id = y.source_id AND s.id = :id
              AND NOT coalesce(y.lease_until > now(), false) AND (y.due_at IS NULL OR y.due_at > now())
        """),
        {"id": source_id},
    )


async def remove(connection: AsyncConnection, source_id: UUID) -> None:
    """Forget a source and its pages."""
    await connection.execute(text("DELETE FROM sources WHERE id = :id"), {"id": source_id})


async def articles_of(connection: AsyncConnection, source_id: UUID) -> list[UUID]:
    """Articles that a source has."""
    statement = text("SELECT article_id FROM source_pages WHERE source_id = :id AND article_id IS NOT NULL")
    return list((await connection.execute(statement, {"id": source_id})).scalars())


async def pages(
    connection: AsyncConnection, source_id: UUID, *, after: str = "", outcome: str = "", limit: int = 1_000_000
) -> list[Page]:
    """Pages of a source by address, those after one address."""
    found = await connection.execute(
        text("""
            SELECT * FROM source_pages WHERE source_id = :id AND url > :after
              AND (:outcome = '' OR outcome = :outcome) ORDER BY url LIMIT :limit
        """),
        {"id": source_id, "after": after, "outcome": outcome, "limit": limit},
    )
    return [
        Page(
            row["url"],
            PageOutcome(row["outcome"]),
            row["article_id"],
            row["etag"],
            row["last_modified"],
            row["reason"],
            row["message"],
            row["checked_at"],
        )
        for row in found.mappings()
    ]


async def put_pages(connection: AsyncConnection, tenant_id: UUID, source_id: UUID, seen: Sequence[Page]) -> None:
    """Keep what became of pages."""
    if not seen:
        return
    await connection.execute(
        text("""
            INSERT INTO source_pages (tenant_id, source_id, url, article_id, etag, last_modified, outcome, reason,
                                      message)
            VALUES (:tenant, :source, :url, :article, :etag, :last_modified, :outcome, :reason, :message)
            ON CONFLICT (tenant_id, source_id, url) DO UPDATE
            SET article_id = excluded.article_id, etag = excluded.etag, last_modified = excluded.last_modified,
                outcome = excluded.outcome, reason = excluded.reason, message = excluded.message, checked_at = now()
        """),
        [
            {
                "tenant": tenant_id,
                "source": source_id,
                "url": page.url,
                "article": page.article_id,
                "etag": page.etag,
                "last_modified": page.last_modified,
                "outcome": page.outcome.value,
                "reason": page.reason,
                "message": page.message,
            }
            for page in seen
        ],
    )


async def forget_page(connection: AsyncConnection, source_id: UUID, url: str) -> None:
    """Forget a page that is gone."""
    await connection.execute(
        text("DELETE FROM source_pages WHERE source_id = :id AND url = :url"), {"id": source_id, "url": url}
    )


async def holds(connection: AsyncConnection, due: Due) -> bool:
    """Whether a worker still has the synchronisation; if so nobody else gets it until the transaction ends."""
    statement = text("""
        SELECT 1 FROM source_syncs WHERE source_id = :id AND attempt = :attempt AND lease_until > now() FOR UPDATE
    """)
    return (await connection.execute(statement, {"id": due.source_id, "attempt": due.attempt})).first() is not None


async def put_report(connection: AsyncConnection, source_id: UUID, report: SyncReport, *, failed: bool = False) -> None:
    """Keep what a synchronisation has done so far."""
    await connection.execute(
        text("UPDATE sources SET report = CAST(:report AS jsonb), failed = :failed WHERE id = :id"),
        {"id": source_id, "report": orjson.dumps(asdict(report)).decode(), "failed": failed},
    )


async def finish(connection: AsyncConnection, due: Due, next_in: int) -> None:
    """End a synchronisation; the next one begins in `next_in` seconds, or when asked for where that is 0."""
    await connection.execute(
        text("""
            UPDATE source_syncs SET lease_until = NULL, worker_id = NULL, attempt = 0, refetch = false,
                due_at = CASE WHEN :next > 0 THEN now() + :next * interval '1 second' END
            WHERE source_id = :id AND attempt = :attempt
        """),
        {"id": due.source_id, "attempt": due.attempt, "next": next_in},
    )


def _source(row: RowMapping) -> Source:
    due_at: datetime | None = row["due_at"]
    state = SourceState.FAILED if row["failed"] else SourceState.IDLE
    if row["is_running"]:
        state = SourceState.SYNCING
    elif row["is_due"]:
        state = SourceState.QUEUED
    return Source(
        row["id"],
        row["name"],
        row["url"],
        row["sitemap_url"],
        row["category"],
        tuple(row["tags"]),
        row["max_pages"],
        row["sync_seconds"],
        state,
        SyncReport.from_json(row["report"]),
        due_at,
        row["article_count"],
        row["version"],
        row["created_at"],
    )
