"""Fills a tenant with passages of real words and jittered real vectors, past the import: that would take hours."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
from pgvector import HalfVector
from pgvector.asyncpg import register_vector

from benchmarks.eval.data import data_folder
from benchmarks.retrieval.data import Matrix, jittered, real_texts
from deskwire_server.db.urls import for_asyncpg
from deskwire_server.ids import uuid7
from deskwire_server.knowledge.models import ArticleDraft, PassageRow
from deskwire_server.knowledge.prepare import prepare_draft
from deskwire_server.knowledge.vectors import pack
from deskwire_server.stack.postgres import PostgresUrls

EMBEDDER = "local/all-MiniLM-L6-v2"
_PER_ARTICLE = 6
_KINDS = 4_000
"""Different texts of passages."""
_SENTENCES = 6
_COPIED = 5_000


@dataclass(frozen=True, slots=True)
class Tenant:
    """A filled tenant."""

    id: UUID
    slug: str
    chunk_ids: list[UUID]
    vectors: Matrix
    """Of the passages, in their order."""


@dataclass(frozen=True, slots=True)
class _Kind:
    text: str
    row: PassageRow
    terms: frozenset[str]


async def fill(urls: PostgresUrls, real: Matrix, count: int, seed: int) -> Tenant:
    """A new tenant with `count` passages."""
    slug = f"bench-{count}"
    connection = await asyncpg.connect(urls.superuser.rpartition("/")[0] + "/deskwire", command_timeout=3_600)
    app = await asyncpg.connect(for_asyncpg(urls.app))
    try:
        await register_vector(connection)
        tenant_id = await app.fetchval("SELECT id FROM tenant_ensure($1)", slug)
        vectors = jittered(real, count, seed)
        random = np.random.default_rng(seed)
        kinds = random.integers(0, _KINDS, count).tolist()
        chunk_ids = [uuid7() for _ in range(count)]
        article_ids = [uuid7() for _ in range((count + _PER_ARTICLE - 1) // _PER_ARTICLE)]
        await _articles(connection, tenant_id, article_ids, kinds, vectors)
        await _chunks(connection, tenant_id, article_ids, chunk_ids, kinds)
        await _vectors(connection, tenant_id, article_ids, chunk_ids, vectors, real)
        await _counts(connection, tenant_id, article_ids, kinds)
    finally:
        await connection.close()
        await app.close()
    return Tenant(tenant_id, slug, chunk_ids, vectors)


@lru_cache(maxsize=1)
def _kinds() -> list[_Kind]:
    """Passages made of real sentences, cut and stemmed as an import does it."""
    random = np.random.default_rng(0)
    texts = [text for text in real_texts(data_folder()) if 20 < len(text) < 300]
    made = []
    while len(made) < _KINDS:
        body = " ".join(texts[place] for place in random.integers(0, len(texts), 9))
        prepared = prepare_draft(ArticleDraft(texts[int(random.integers(0, len(texts)))][:80], body, language="en"))
        if prepared.passages:
            row = prepared.passages[0]
            made.append(_Kind(prepared.draft.content[row.start : row.end], row, frozenset(prepared.occurrences)))
    return made


async def _articles(connection: Any, tenant_id: UUID, ids: list[UUID], kinds: list[int], vectors: Matrix) -> None:
    rows = []
    for place, article_id in enumerate(ids):
        own = kinds[place * _PER_ARTICLE : (place + 1) * _PER_ARTICLE]
        content = "\n\n".join(_kinds()[kind].text for kind in own)
        rows.append((tenant_id, article_id, f"{place}.md", _kinds()[own[0]].text[:60], content, "en", len(own)))
    await connection.copy_records_to_table(
        "articles", records=rows,
        columns=["tenant_id", "id", "source_path", "title", "content", "language", "passage_count"],
    )  # fmt: skip
    await connection.copy_records_to_table(
        "article_embeddings",
        records=[
            (tenant_id, EMBEDDER, one, HalfVector(vectors[place * _PER_ARTICLE])) for place, one in enumerate(ids)
        ],
        columns=["tenant_id", "embedder", "article_id", "embedding"],
    )


async def _chunks(
    connection: Any, tenant_id: UUID, article_ids: list[UUID], chunk_ids: list[UUID], kinds: list[int]
) -> None:
    await connection.execute("CREATE TEMP TABLE staged (LIKE chunks); ALTER TABLE staged ALTER search TYPE text")
    for start in range(0, len(chunk_ids), _COPIED):
        rows = []
        for place in range(start, min(start + _COPIED, len(chunk_ids))):
            position = place % _PER_ARTICLE
            offset = sum(len(_kinds()[kinds[place - back]].text) + 2 for back in range(1, position + 1))
            kind = _kinds()[kinds[place]]
            rows.append((
                tenant_id, chunk_ids[place], article_ids[place // _PER_ARTICLE], position, offset,
                offset + len(kind.text), [], kind.row.lexemes, kind.row.length, place,
            ))  # fmt: skip
        await connection.copy_records_to_table("staged", records=rows, columns=[
            "tenant_id", "id", "article_id", "position", "start_offset", "end_offset", "heading_path", "search",
            "length", "number",
        ])  # fmt: skip
        await connection.execute(
            "INSERT INTO chunks (tenant_id, id, article_id, position, start_offset, end_offset, heading_path, search, "
            "length, number) SELECT tenant_id, id, article_id, position, start_offset, end_offset, heading_path, "
            "search::tsvector, length, number FROM staged"
        )
        await connection.execute("TRUNCATE staged")
    await connection.execute("DROP TABLE staged")


async def _vectors(
    connection: Any, tenant_id: UUID, article_ids: list[UUID], chunk_ids: list[UUID], vectors: Matrix, real: Matrix
) -> None:
    packed = [pack(real[place * _SENTENCES : (place + 1) * _SENTENCES]) for place in range(len(real) // _SENTENCES)]
    await connection.execute(
        "INSERT INTO knowledge_embedders (tenant_id, name, dimensions, status) VALUES ($1, $2, 384, 'active')",
        tenant_id, EMBEDDER,
    )  # fmt: skip
    for start in range(0, len(chunk_ids), _COPIED):
        await connection.copy_records_to_table(
            "embeddings",
            records=[
                (
                    tenant_id, EMBEDDER, chunk_ids[place], article_ids[place // _PER_ARTICLE],
                    HalfVector(vectors[place]), packed[place % len(packed)],
                )
                for place in range(start, min(start + _COPIED, len(chunk_ids)))
            ],
            columns=["tenant_id", "embedder", "chunk_id", "article_id", "embedding", "sentences"],
        )  # fmt: skip


async def _counts(connection: Any, tenant_id: UUID, article_ids: list[UUID], kinds: list[int]) -> None:
    for start in range(0, len(article_ids), 500):
        await connection.execute("SELECT knowledge_post($1, $2)", tenant_id, article_ids[start : start + 500])
    occurrences: Counter[str] = Counter()
    for kind, times in Counter(kinds).items():
        for term in _kinds()[kind].terms:
            occurrences[term] += times
    await connection.copy_records_to_table(
        "knowledge_terms", records=[(tenant_id, term, term, count) for term, count in occurrences.items()],
        columns=["tenant_id", "term", "word", "chunks"],
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO knowledge_stats (tenant_id, chunks, length, languages, next_number) "
        "VALUES ($1, $2, $3, '{en}', $2)",
        tenant_id, len(kinds), float(sum(_kinds()[kind].row.length for kind in kinds)),
    )  # fmt: skip
