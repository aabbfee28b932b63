"""What searches are measured against: their own statements without Python, and one fused statement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import asyncpg

from deskwire_server.db.engine import Database
from deskwire_server.embeddings.port import Vectors
from deskwire_server.knowledge.text import stems
from deskwire_server.knowledge.vectors import literal
from deskwire_server.stack.postgres import PostgresUrls

Statements = list[list[tuple[str, tuple[Any, ...]]]]
"""Queries with their arguments, by transaction."""

_FUSED = """
WITH words AS (
    SELECT id, article_id, row_number() OVER (ORDER BY rank DESC) AS place FROM (
        SELECT id, article_id, ts_rank(search, $2::tsquery) AS rank FROM chunks
        WHERE tenant_id = $1 AND search @@ $2::tsquery ORDER BY rank DESC LIMIT 50
    ) best
), near AS (
    SELECT chunk_id AS id, article_id, row_number() OVER () AS place FROM (
        SELECT chunk_id, article_id FROM embeddings WHERE tenant_id = $1 AND shard = {shard} AND dimensions = 384
        ORDER BY (embedding::halfvec(384)) <#> $3::text::halfvec(384) LIMIT 50
    ) best
), fused AS (
    SELECT article_id, id, sum(1.0 / (60 + place)) AS score
    FROM (SELECT * FROM words UNION ALL SELECT * FROM near) both_ways GROUP BY article_id, id
), best AS (
    SELECT DISTINCT ON (article_id) article_id, id, score FROM fused ORDER BY article_id, score DESC
)
SELECT a.id, a.title, a.url, a.source_path, best.score, c.heading_path,
    substr(a.content, c.start_offset + 1, c.end_offset - c.start_offset) AS passage
FROM (SELECT * FROM best ORDER BY score DESC LIMIT 10) best
JOIN articles a ON a.tenant_id = $1 AND a.id = best.article_id JOIN chunks c ON c.tenant_id = $1 AND c.id = best.id
ORDER BY best.score DESC
"""


@asynccontextmanager
async def fused(urls: PostgresUrls, tenant_id: UUID) -> AsyncIterator[Callable[[str, Vectors], Awaitable[Any]]]:
    """One statement: words by a GIN index and `ts_rank`, vectors by HNSW, reciprocal ranks, texts.

    As the superuser: row-level security would keep the GIN index from being used.
    """
    connection = await asyncpg.connect(urls.superuser.rpartition("/")[0] + "/deskwire", command_timeout=3_600)
    try:
        await connection.execute("CREATE INDEX IF NOT EXISTS bench_words ON chunks USING gin (search)")
        await connection.execute("ANALYZE chunks; SET hnsw.ef_search = 100")
        shard = await connection.fetchval(
            "SELECT shard FROM knowledge_embedders WHERE tenant_id = $1 AND status = 'active'", tenant_id
        )
        query = _FUSED.format(shard=int(shard))

        async def ask(text: str, vector: Vectors) -> Any:
            words = " | ".join(f"'{term}'" for term in dict.fromkeys(stems(text))) or "'none'"
            return await connection.fetch(query, tenant_id, words, literal(vector))

        yield ask
        await connection.execute("DROP INDEX bench_words")
    finally:
        await connection.close()


@contextmanager
def recorded(database: Database) -> Iterator[Statements]:
    """The statements that searches of `database` send meanwhile."""
    kept: Statements = []
    reading, fetchrow = database.reading, database.fetchrow

    async def listening_row(query: str, *arguments: Any) -> Any:
        kept.append([(query, arguments)])
        return await fetchrow(query, *arguments)

    @asynccontextmanager
    async def listening(tenant_id: UUID, settings: str = "") -> AsyncIterator[Any]:
        async with reading(tenant_id, settings) as connection:
            kept.append([])
            yield _Recorder(connection, kept[-1])

    database.reading, database.fetchrow = listening, listening_row  # type: ignore[method-assign]
    try:
        yield kept
    finally:
        del database.reading, database.fetchrow


class _Recorder:
    def __init__(self, connection: Any, kept: list[tuple[str, tuple[Any, ...]]]) -> None:
        self._connection = connection
        self._kept = kept

    async def fetch(self, query: str, *arguments: Any) -> Any:
        self._kept.append((query, arguments))
        return await self._connection.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        self._kept.append((query, arguments))
        return await self._connection.fetchrow(query, *arguments)
