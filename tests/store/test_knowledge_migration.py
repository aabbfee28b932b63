"""Articles and vectors that were there before embedders had names of their own are found after the migration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db import migrate
from deskwire_server.db.engine import Database
from deskwire_server.embeddings.shelf import Shelf
from deskwire_server.knowledge.audience import EVERYBODY
from deskwire_server.knowledge.models import ArticlePatch, SearchQuery
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.knowledge.text import stems
from deskwire_server.knowledge.vectors import literal, pack
from tests.support.knowledge import WordEmbedder
from tests.support.postgres import TestPostgres

TEXTS = ("Every invoice is a PDF that you can download.", "A refund takes five days to reach the card.")


@pytest.fixture
async def database(postgres: TestPostgres) -> AsyncIterator[str]:
    """Name of a database at the version before."""
    name = f"before_{uuid4().hex[:8]}"
    maintenance = await asyncpg.connect(postgres.superuser_url)
    try:
        await maintenance.execute(f"CREATE DATABASE {name} OWNER deskwire_owner")
        inside = await asyncpg.connect(_at(postgres.superuser_url, name))
        await inside.execute("CREATE EXTENSION vector; ALTER SCHEMA public OWNER TO deskwire_owner")
        await inside.close()
        await asyncio.to_thread(migrate.upgrade_blocking, _at(postgres.owner_url, name), "0007")
        yield name
    finally:
        await maintenance.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await maintenance.close()


def _at(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


async def _write_as_before(url: str, embedder: WordEmbedder) -> Caller:
    connection = await asyncpg.connect(url)
    try:
        tenant_id = await connection.fetchval("SELECT id FROM tenant_ensure('old')")
        async with connection.transaction():
            await connection.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(tenant_id))
            for place, text in enumerate(TEXTS):
                words = stems(text)
                (vector,) = await embedder.embed([text], purpose="document")
                article = await connection.fetchval(
                    "INSERT INTO articles (tenant_id, title, content, source_path, language, passage_count) "
                    "VALUES ($1, $2, $3, $4, 'en', 1) RETURNING id",
                    tenant_id, f"Title {place}", text, f"{place}.md",
                )  # fmt: skip
                chunk = await connection.fetchval(
                    "INSERT INTO chunks (tenant_id, article_id, position, start_offset, end_offset, search, length) "
                    "VALUES ($1, $2, 0, 0, $3, $4::text::tsvector, $5) RETURNING id",
                    tenant_id, article, len(text), " ".join(f"'{w}':{i}" for i, w in enumerate(words, 1)), len(words),
                )  # fmt: skip
                await connection.execute(
                    "INSERT INTO embeddings (tenant_id, embedder, chunk_id, embedding, sentences) "
                    "VALUES ($1, $2, $3, $4::text::vector, $5)",
                    tenant_id, embedder.name, chunk, literal(vector), pack(vector[None, :]),
                )  # fmt: skip
                await connection.execute(
                    "INSERT INTO article_embeddings (tenant_id, embedder, article_id, embedding) "
                    "VALUES ($1, $2, $3, $4::text::vector)",
                    tenant_id, embedder.name, article, literal(vector),
                )  # fmt: skip
                for word in set(words):
                    await connection.execute(
                        "INSERT INTO knowledge_terms AS k (tenant_id, term, word, chunks) VALUES ($1, $2, $2, 1) "
                        "ON CONFLICT (tenant_id, term) DO UPDATE SET chunks = k.chunks + 1",
                        tenant_id, word,
                    )  # fmt: skip
            await connection.execute(
                "INSERT INTO knowledge_stats (tenant_id, chunks, length, languages) VALUES ($1, 2, 20, '{en}')",
                tenant_id,
            )
    finally:
        await connection.close()
    return Caller(tenant_id, "old", "cleo", Role.ADMIN)


async def test_what_was_there_before(postgres: TestPostgres, database: str) -> None:
    embedder = WordEmbedder()
    admin = await _write_as_before(_at(postgres.app_url, database), embedder)
    await asyncio.to_thread(migrate.upgrade_blocking, _at(postgres.owner_url, database))
    engine = Database(_at(postgres.app_url, database), pool_size=2)
    try:
        service = KnowledgeService(engine, Shelf([embedder]))
        for question, path in (("download the invoice", "0.md"), ("refund to my card", "1.md")):
            found = await service.search(admin, SearchQuery(question))
            assert not found.degraded
            assert found.hits[0].article.source_path == path
            assert found.hits[0].article.audience == EVERYBODY
        assert await service.embed_pending(admin.tenant_id) == 0
        # Words alone find it as well, and an edit leaves no posting behind.
        alone = KnowledgeService(engine, Shelf())
        first = (await alone.search(admin, SearchQuery("invoice"))).hits[0].article
        await service.update_article(admin, first.id, ArticlePatch(content="Nothing about bills any more."))
        assert first.id not in {hit.article.id for hit in (await alone.search(admin, SearchQuery("invoice"))).hits}
        async with engine.reading(admin.tenant_id) as connection:
            left = await connection.fetchval("SELECT count(*) FROM knowledge_postings WHERE term = 'invoic'")
        assert left == 0
    finally:
        await engine.close()
