"""Statements on a tenant's events and the figures of its conversations."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.analytics.models import ConversationMetrics, Page, Place, TenantEvent, settled
from deskwire_server.db.engine import Database
from deskwire_server.turns.models import DurableEvent

_EVENTS = """
    SELECT horizon::text, newest::text, expired, transaction_id::text, conversation_id, sequence, turn_id, kind,
           payload, created_at, user_id
    FROM tenant_events_after($1, $2::text::xid8, $3, $4, $5, $6)
"""
_COUNTS = """
    SELECT kind, count(*) AS number, min(created_at) AS first, max(created_at) AS last
    FROM events WHERE conversation_id = :id GROUP BY kind ORDER BY kind
"""
_ANSWERED = """
    SELECT count(*) AS answered, extract(epoch FROM avg(finished_at - created_at))::float8 AS seconds
    FROM turns WHERE conversation_id = :id AND state = 'completed' AND question_id IS NOT NULL
"""
_TOKENS = """
    SELECT coalesce(sum(u.input_tokens), 0) AS read, coalesce(sum(u.output_tokens), 0) AS written
    FROM usage u JOIN turns t ON t.tenant_id = u.tenant_id AND t.id = u.turn_id WHERE t.conversation_id = :id
"""


async def events_page(database: Database, tenant_id: UUID, place: Place, kinds: Sequence[str], limit: int) -> Page:
    """Events of a tenant behind a place, in one round trip. A page is of `limit` events before those of other kinds
    than `kinds` are left out. Raises `DatabaseUnavailable`."""
    rows = await database.fetch(
        _EVENTS, tenant_id, str(place.transaction), place.conversation_id, place.sequence, list(kinds), limit
    )
    head = rows[0]
    places = [
        Place(int(row["transaction_id"]), UUID(int=row["conversation_id"].int), row["sequence"])
        for row in rows
        if row["sequence"] is not None
    ]
    is_full = len(places) == limit
    events = tuple(
        TenantEvent(
            at,
            DurableEvent(row["sequence"], row["turn_id"], row["kind"], row["payload"], row["created_at"]),
            row["conversation_id"],
            row["user_id"],
        )
        for row, at in zip(rows, places, strict=False)
        if row["payload"] is not None
    )
    reached = places[-1] if is_full else max(place, settled(int(head["horizon"])))
    return Page(events, reached, is_full, head["expired"], is_ahead=place.transaction > int(head["newest"]))


async def settled_now(database: Database) -> Place:
    """Behind everything that no running transaction can add to any more. Raises `DatabaseUnavailable`."""
    row = await database.fetchrow("SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon")
    assert row is not None
    return settled(int(row["horizon"]))


async def exists(connection: AsyncConnection, conversation_id: UUID) -> bool:
    """Whether the tenant has such a conversation."""
    found = await connection.execute(text("SELECT 1 FROM conversations WHERE id = :id"), {"id": conversation_id})
    return found.first() is not None


async def conversation_metrics(connection: AsyncConnection, conversation_id: UUID) -> ConversationMetrics:
    """The figures of one conversation."""
    key = {"id": conversation_id}
    kinds = (await connection.execute(text(_COUNTS), key)).all()
    answered = (await connection.execute(text(_ANSWERED), key)).one()
    tokens = (await connection.execute(text(_TOKENS), key)).one()
    return ConversationMetrics(
        conversation_id,
        tuple((row.kind, row.number) for row in kinds),
        answered.answered,
        answered.seconds,
        tokens.read,
        tokens.written,
        min((row.first for row in kinds), default=None),
        max((row.last for row in kinds), default=None),
    )
