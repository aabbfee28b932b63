"""SQL of a tenant's embedders, in a transaction of that tenant. Never commits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.knowledge.embedder_models import Comparison, EmbedderState, Status

_LISTED = text("""
    SELECT name, dimensions, status, is_chosen, shard, is_indexed, comparison, started_at, ready_at, activated_at
    FROM knowledge_embedders WHERE tenant_id = :tenant ORDER BY started_at, name
""")
_BEGIN = text("""
    INSERT INTO knowledge_embedders (tenant_id, name, dimensions, status, is_chosen)
    VALUES (:tenant, :name, :dimensions, 'building', :chosen)
    ON CONFLICT (tenant_id, name) DO UPDATE SET status = 'building', is_chosen = excluded.is_chosen,
        dimensions = excluded.dimensions, started_at = now(), ready_at = NULL, comparison = NULL, shard = 0,
        is_indexed = false
    WHERE knowledge_embedders.status = 'retired'
""")
_CLAIM = text("""
    UPDATE knowledge_embedders SET worker_id = :worker, lease_until = now() + make_interval(secs => :seconds)
    WHERE tenant_id = :tenant AND name = :name AND (worker_id = :worker OR lease_until IS NULL OR lease_until < now())
    RETURNING name
""")
_RELEASE = text("""
    UPDATE knowledge_embedders SET worker_id = NULL, lease_until = NULL
    WHERE tenant_id = :tenant AND name = :name AND worker_id = :worker
""")
_READY = text("""
    UPDATE knowledge_embedders SET status = 'ready', ready_at = now(), comparison = CAST(:comparison AS jsonb)
    WHERE tenant_id = :tenant AND name = :name AND status = 'building'
""")
_LOCK_READY = text("""
    SELECT name FROM (
        SELECT name, status FROM knowledge_embedders WHERE tenant_id = :tenant ORDER BY name FOR UPDATE
    ) locked WHERE name = :name AND status IN ('ready', 'active')
""")
_STEP_DOWN = text("""
    UPDATE knowledge_embedders SET status = 'ready' WHERE tenant_id = :tenant AND status = 'active' AND name <> :name
""")
_ACTIVATE = text("""
    UPDATE knowledge_embedders SET status = 'active', activated_at = now(), is_chosen = is_chosen OR :chosen
    WHERE tenant_id = :tenant AND name = :name AND status IN ('ready', 'active')
""")
_RETIRE = text("""
    UPDATE knowledge_embedders SET status = 'retired', is_indexed = false
    WHERE tenant_id = :tenant AND name = :name AND status IN ('ready', 'building')
""")
_REMOVE_VECTORS = text("""
    DELETE FROM embeddings e WHERE e.tenant_id = :tenant AND e.embedder = :name AND e.chunk_id IN (
        SELECT chunk_id FROM embeddings WHERE tenant_id = :tenant AND embedder = :name LIMIT :count)
""")
_REMOVE_TITLES = text("DELETE FROM article_embeddings WHERE tenant_id = :tenant AND embedder = :name")
_COUNTS = text("""
    SELECT coalesce((SELECT chunks FROM knowledge_stats WHERE tenant_id = :tenant), 0) AS passages,
        (SELECT count(*) FROM embeddings WHERE tenant_id = :tenant AND embedder = :name) AS embedded
""")
_PASSAGES = text("SELECT chunks FROM knowledge_stats WHERE tenant_id = :tenant")
_WAITING = text("""
    SELECT EXISTS (
        SELECT FROM articles a WHERE a.tenant_id = :tenant AND a.passage_count > 0 AND NOT EXISTS (
            SELECT FROM article_embeddings t
            WHERE t.tenant_id = a.tenant_id AND t.embedder = :name AND t.article_id = a.id))
""")
_SET_SHARD = text("UPDATE knowledge_embedders SET shard = :shard WHERE tenant_id = :tenant AND name = :name")
_MOVE = text("""
    WITH next AS (
        SELECT chunk_id FROM embeddings
        WHERE tenant_id = :tenant AND embedder = :name AND (CAST(:after AS uuid) IS NULL OR chunk_id > :after)
        ORDER BY chunk_id LIMIT :count
    ), moved AS (
        UPDATE embeddings e SET shard = :shard FROM next
        WHERE e.tenant_id = :tenant AND e.embedder = :name AND e.chunk_id = next.chunk_id AND e.shard <> :shard
    )
    SELECT max(chunk_id::text)::uuid FROM next
""")
_SET_INDEXED = text("""
    UPDATE knowledge_embedders SET is_indexed = true
    WHERE tenant_id = :tenant AND name = :name AND shard = :shard AND NOT EXISTS (
        SELECT FROM embeddings WHERE tenant_id = :tenant AND embedder = :name AND shard <> :shard)
""")
_SAMPLES = text("""
    SELECT a.id, substr(a.content, c.start_offset + 1, c.end_offset - c.start_offset) AS passage
    FROM chunks c JOIN articles a ON a.tenant_id = c.tenant_id AND a.id = c.article_id
    WHERE c.tenant_id = :tenant ORDER BY md5(c.id::text) LIMIT :count
""")


async def listed(connection: AsyncConnection, tenant_id: UUID) -> list[EmbedderState]:
    """All embedders of the tenant, retired ones included, the oldest first."""
    return [_state(row) for row in await connection.execute(_LISTED, {"tenant": tenant_id})]


async def active(connection: AsyncConnection, tenant_id: UUID) -> EmbedderState | None:
    """The embedder that search uses."""
    states = await listed(connection, tenant_id)
    return next((state for state in states if state.status is Status.ACTIVE), None)


async def passages(connection: AsyncConnection, tenant_id: UUID) -> int:
    """Passages of the tenant."""
    return int((await connection.execute(_PASSAGES, {"tenant": tenant_id})).scalar_one_or_none() or 0)


async def begin(connection: AsyncConnection, tenant_id: UUID, name: str, dimensions: int, *, chosen: bool) -> None:
    """Begin to build, unless it is there already and not retired."""
    await connection.execute(_BEGIN, {"tenant": tenant_id, "name": name, "dimensions": dimensions, "chosen": chosen})


async def claim(connection: AsyncConnection, tenant_id: UUID, name: str, worker: UUID, seconds: float) -> bool:
    """Take or renew the lease of an embedder. False while another worker holds it."""
    values = {"tenant": tenant_id, "name": name, "worker": worker, "seconds": seconds}
    return (await connection.execute(_CLAIM, values)).first() is not None


async def release(connection: AsyncConnection, tenant_id: UUID, name: str, worker: UUID) -> None:
    """Give the lease back."""
    await connection.execute(_RELEASE, {"tenant": tenant_id, "name": name, "worker": worker})


async def set_ready(connection: AsyncConnection, tenant_id: UUID, name: str, comparison: Comparison | None) -> None:
    """All of its vectors are there."""
    kept = None if comparison is None else orjson.dumps(asdict(comparison)).decode()
    await connection.execute(_READY, {"tenant": tenant_id, "name": name, "comparison": kept})


async def activate(connection: AsyncConnection, tenant_id: UUID, name: str, *, chosen: bool) -> bool:
    """Make it the one that search uses; the one before stays ready. False, and nothing changes, unless it is ready."""
    values = {"tenant": tenant_id, "name": name}
    if (await connection.execute(_LOCK_READY, values)).first() is None:
        return False
    await connection.execute(_STEP_DOWN, values)
    await connection.execute(_ACTIVATE, {**values, "chosen": chosen})
    return True


async def retire(connection: AsyncConnection, tenant_id: UUID, name: str) -> bool:
    """Stop keeping it. False when it is active or not kept."""
    return bool((await connection.execute(_RETIRE, {"tenant": tenant_id, "name": name})).rowcount)


async def remove_vectors(connection: AsyncConnection, tenant_id: UUID, name: str, count: int) -> int:
    """Remove up to `count` vectors of passages; those of titles go with the last ones. How many went."""
    values = {"tenant": tenant_id, "name": name}
    gone = (await connection.execute(_REMOVE_VECTORS, {**values, "count": count})).rowcount
    if gone < count:
        await connection.execute(_REMOVE_TITLES, values)
    return gone


async def counts(connection: AsyncConnection, tenant_id: UUID, name: str) -> tuple[int, int]:
    """Passages of the tenant, and those with a vector of the embedder."""
    row = (await connection.execute(_COUNTS, {"tenant": tenant_id, "name": name})).one()
    return row.passages, row.embedded


async def has_waiting(connection: AsyncConnection, tenant_id: UUID, name: str) -> bool:
    """Whether an article waits for its vectors."""
    return bool((await connection.execute(_WAITING, {"tenant": tenant_id, "name": name})).scalar_one())


async def set_shard(connection: AsyncConnection, tenant_id: UUID, name: str, shard: int) -> None:
    """Put the embedder's vectors into a group: new ones go there from the end of the transaction on."""
    await connection.execute(_SET_SHARD, {"tenant": tenant_id, "name": name, "shard": shard})


async def move(
    connection: AsyncConnection, tenant_id: UUID, name: str, shard: int, after: UUID | None, count: int
) -> UUID | None:
    """Move up to `count` vectors behind `after` into the group. Returns the last one, None at the end."""
    values = {"tenant": tenant_id, "name": name, "shard": shard, "after": after, "count": count}
    last: UUID | None = (await connection.execute(_MOVE, values)).scalar_one()
    return last


async def set_indexed(connection: AsyncConnection, tenant_id: UUID, name: str, shard: int) -> bool:
    """Let search use the group's index. False while a vector is not in it."""
    values = {"tenant": tenant_id, "name": name, "shard": shard}
    return bool((await connection.execute(_SET_INDEXED, values)).rowcount)


async def samples(connection: AsyncConnection, tenant_id: UUID, count: int) -> list[tuple[UUID, str]]:
    """Texts of some passages with their articles, always the same ones while nothing changes."""
    rows = await connection.execute(_SAMPLES, {"tenant": tenant_id, "count": count})
    return [(row.id, row.passage) for row in rows]


def _state(row: Any) -> EmbedderState:
    return EmbedderState(
        row.name, row.dimensions, Status(row.status), row.is_chosen, row.shard, row.is_indexed,
        None if row.comparison is None else Comparison(**row.comparison),
        row.started_at, row.ready_at, row.activated_at,
    )  # fmt: skip
