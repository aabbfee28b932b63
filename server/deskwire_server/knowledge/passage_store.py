"""SQL of passages with their words and vectors, in a transaction of their tenant. Never commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import TextClause, delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.ids import uuid7
from deskwire_server.knowledge.models import ArticleVectors, PreparedArticle, article_embeddings, chunks
from deskwire_server.understanding.language import base_language

_Row = TypeVar("_Row")
_ROWS_AT_ONCE = 40
_TERMS_AT_ONCE = 1_000

_LOCK_STATS = text("""
    INSERT INTO knowledge_stats (tenant_id, next_number) VALUES (:tenant, :numbers)
    ON CONFLICT (tenant_id) DO UPDATE SET next_number = knowledge_stats.next_number + excluded.next_number
    RETURNING next_number - :numbers
""")
"""Locks the tenant's row and sets numbers for new passages aside; gives the first of them."""
_ADD_STATS = text("""
    UPDATE knowledge_stats SET chunks = chunks + :chunks, length = length + :length, languages = ARRAY(
        SELECT DISTINCT unnest(languages || CAST(:languages AS text[])) ORDER BY 1)
    WHERE tenant_id = :tenant
""")
_ADD_TERMS = text("""
    INSERT INTO knowledge_terms AS known (tenant_id, term, word, chunks)
    SELECT :tenant, term, word, occurrences
    FROM unnest(CAST(:terms AS text[]), CAST(:words AS text[]), CAST(:counts AS int[])) AS new (term, word, occurrences)
    ORDER BY term
    ON CONFLICT (tenant_id, term) DO UPDATE SET chunks = known.chunks + excluded.chunks,
        word = CASE WHEN length(excluded.word) < length(known.word) THEN excluded.word ELSE known.word END
""")
_SUBTRACT = text("""
    WITH gone AS MATERIALIZED (
        SELECT id, search, length FROM chunks WHERE tenant_id = :tenant AND article_id = ANY(CAST(:articles AS uuid[]))
    ), counted AS (
        SELECT lexeme, count(*)::int AS occurrences FROM gone, unnest(tsvector_to_array(search)) AS lexeme GROUP BY 1
    ), lowered AS (
        UPDATE knowledge_terms t SET chunks = t.chunks - counted.occurrences FROM counted
        WHERE t.tenant_id = :tenant AND t.term = counted.lexeme
    )
    UPDATE knowledge_stats SET chunks = chunks - (SELECT count(*) FROM gone),
        length = greatest(0, length - (SELECT coalesce(sum(length), 0) FROM gone))
    WHERE tenant_id = :tenant
""")
_SWEEP_TERMS = text("DELETE FROM knowledge_terms WHERE tenant_id = :tenant AND chunks <= 0")
_INSERT_CHUNKS = text("""
    INSERT INTO chunks
        (tenant_id, id, article_id, position, start_offset, end_offset, heading_path, search, length, number)
    VALUES (
        :tenant, :id, :article, :position, :start, :end, :headings, CAST(CAST(:search AS text) AS tsvector),
        :length, :number)
""")
_POST = text("SELECT knowledge_post(:tenant, CAST(:articles AS uuid[]))")
_UNPOST = text("SELECT knowledge_unpost(:tenant, CAST(:articles AS uuid[]))")


@dataclass(frozen=True, slots=True)
class PendingPassage:
    """A passage without a vector."""

    id: UUID
    position: int
    start: int
    end: int
    heading_path: tuple[str, ...]


async def passages_of(
    connection: AsyncConnection, tenant_id: UUID, article_ids: Sequence[UUID]
) -> dict[UUID, list[PendingPassage]]:
    """Passages of articles, in order."""
    query = select(chunks).where(chunks.c.tenant_id == tenant_id, chunks.c.article_id.in_(article_ids))
    found: dict[UUID, list[PendingPassage]] = {}
    for row in await connection.execute(query.order_by(chunks.c.article_id, chunks.c.position)):
        found.setdefault(row.article_id, []).append(
            PendingPassage(row.id, row.position, row.start_offset, row.end_offset, tuple(row.heading_path))
        )
    return found


async def write_vectors(
    connection: AsyncConnection, tenant_id: UUID, article_id: UUID, chunk_ids: Sequence[UUID], vectors: ArticleVectors
) -> bool:
    """Write the vectors of an article whose passages are `chunk_ids`, in order. False when their embedder is retired.

    The first vectors of a tenant make their embedder the active one.
    """
    own = {"tenant": tenant_id, "embedder": vectors.embedder}
    await connection.execute(_FIRST_EMBEDDER, {**own, "dimensions": vectors.dimensions})
    shard = (await connection.execute(_SHARD, own)).scalar_one_or_none()
    if shard is None:
        return False
    title = [{**own, "id": article_id, "vector": vectors.title}]
    await connection.execute(_UPSERT_TITLE, title)
    rows = (
        {
            **own,
            "id": chunk_id,
            "article": article_id,
            "vector": passage.embedding,
            "sentences": passage.sentences,
            "shard": shard,
        }
        for chunk_id, passage in zip(chunk_ids, vectors.passages, strict=True)
    )
    await _in_parts(connection, _UPSERT_VECTOR, rows)
    return True


_FIRST_EMBEDDER = text("""
    INSERT INTO knowledge_embedders (tenant_id, name, dimensions, status, ready_at, activated_at)
    SELECT :tenant, :embedder, :dimensions, 'active', now(), now()
    WHERE NOT EXISTS (SELECT FROM knowledge_embedders WHERE tenant_id = :tenant)
    ON CONFLICT DO NOTHING
""")
_SHARD = text("""
    SELECT shard FROM knowledge_embedders WHERE tenant_id = :tenant AND name = :embedder AND status <> 'retired'
    FOR SHARE
""")
"""Locked, so that a group is given to the embedder only when all vectors written before can be seen."""
_UPSERT_TITLE = text("""
    INSERT INTO article_embeddings (tenant_id, embedder, article_id, embedding)
    VALUES (:tenant, :embedder, :id, CAST(CAST(:vector AS text) AS halfvec))
    ON CONFLICT (tenant_id, embedder, article_id) DO UPDATE SET embedding = excluded.embedding
""")
_UPSERT_VECTOR = text("""
    INSERT INTO embeddings (tenant_id, embedder, chunk_id, article_id, embedding, sentences, shard)
    VALUES (:tenant, :embedder, :id, :article, CAST(CAST(:vector AS text) AS halfvec), :sentences, :shard)
    ON CONFLICT (tenant_id, embedder, chunk_id) DO UPDATE SET embedding = excluded.embedding,
        sentences = excluded.sentences, shard = excluded.shard
""")


async def write(connection: AsyncConnection, tenant_id: UUID, article_id: UUID, prepared: PreparedArticle) -> None:
    """Write the passages of an article, their words, and the vectors that are there. Locks the tenant's counts."""
    locked = await connection.execute(_LOCK_STATS, {"tenant": tenant_id, "numbers": len(prepared.passages)})
    first = locked.scalar_one()
    ids = [uuid7() for _ in prepared.passages]
    if prepared.passages:
        await _in_parts(connection, _INSERT_CHUNKS, (
            {"tenant": tenant_id, "id": chunk_id, "article": article_id, "position": position, "start": row.start,
             "end": row.end, "headings": list(row.heading_path), "search": row.lexemes, "length": row.length,
             "number": first + position}
            for position, (chunk_id, row) in enumerate(zip(ids, prepared.passages, strict=True))
        ))  # fmt: skip
        await connection.execute(_POST, {"tenant": tenant_id, "articles": [article_id]})
        for terms in _parts(prepared.occurrences, _TERMS_AT_ONCE):
            await connection.execute(_ADD_TERMS, {
                "tenant": tenant_id, "terms": terms, "counts": [prepared.occurrences[term] for term in terms],
                "words": [prepared.words[term] for term in terms],
            })  # fmt: skip
    await connection.execute(_ADD_STATS, {
        "tenant": tenant_id, "chunks": len(prepared.passages),
        "languages": [base_language(prepared.draft.language) or "en"],
        "length": sum(row.length for row in prepared.passages),
    })  # fmt: skip
    for vectors in prepared.vectors:
        await write_vectors(connection, tenant_id, article_id, ids, vectors)


async def _in_parts(connection: AsyncConnection, statement: TextClause, rows: Iterable[Mapping[str, Any]]) -> None:
    """Run `statement` for all rows, few at once: the driver writes what it is given in one step of the event loop."""
    for part in _parts(rows, _ROWS_AT_ONCE):
        await connection.execute(statement, part)


def _parts(rows: Iterable[_Row], size: int) -> Iterator[list[_Row]]:
    rest = iter(rows)
    while part := list(islice(rest, size)):
        yield part


async def remove(connection: AsyncConnection, tenant_id: UUID, article_ids: Sequence[UUID]) -> None:
    """Remove all passages of articles, their words and vectors. Locks the tenant's counts."""
    await connection.execute(_LOCK_STATS, {"tenant": tenant_id, "numbers": 0})
    await connection.execute(_UNPOST, {"tenant": tenant_id, "articles": list(article_ids)})
    await connection.execute(_SUBTRACT, {"tenant": tenant_id, "articles": list(article_ids)})
    await connection.execute(_SWEEP_TERMS, {"tenant": tenant_id})
    await connection.execute(
        delete(chunks).where(chunks.c.tenant_id == tenant_id, chunks.c.article_id.in_(article_ids))
    )
    await connection.execute(
        delete(article_embeddings).where(
            article_embeddings.c.tenant_id == tenant_id, article_embeddings.c.article_id.in_(article_ids)
        )
    )
