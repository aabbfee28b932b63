"""SQL of articles, passages, vectors and a tenant's words, in a transaction of that tenant. Never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, literal_column, or_, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.errors import AlreadyExists
from deskwire_server.knowledge.models import (
    Article,
    ArticleVectors,
    PreparedArticle,
    article_embeddings,
    articles,
    chunks,
    embeddings,
)
from deskwire_server.understanding.language import base_language

_LISTED = tuple(column for column in articles.c if column.name not in ("content", "content_hash", "tenant_id"))
_WHOLE = (*_LISTED, articles.c.content)

_LOCK_STATS = text("""
    INSERT INTO knowledge_stats (tenant_id) VALUES (:tenant)
    ON CONFLICT (tenant_id) DO UPDATE SET chunks = knowledge_stats.chunks
""")
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
    INSERT INTO chunks (tenant_id, article_id, position, start_offset, end_offset, heading_path, search, length)
    VALUES (:tenant, :article, :position, :start, :end, :headings, CAST(CAST(:search AS text) AS tsvector), :length)
""")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a document that was imported before."""

    id: UUID
    content_hash: bytes | None
    title: str
    passage_count: int


@dataclass(frozen=True, slots=True)
class PendingPassage:
    """A passage without a vector."""

    id: UUID
    position: int
    start: int
    end: int
    heading_path: tuple[str, ...]


async def get(connection: AsyncConnection, tenant_id: UUID, article_id: UUID, *, lock: bool = False) -> Article | None:
    """One article, None when there is none. `lock` keeps others from changing it until the transaction ends."""
    query = select(*_WHOLE).where(articles.c.tenant_id == tenant_id, articles.c.id == article_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return _article(row) if row is not None else None


async def listed(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    after: tuple[str, str] | None,
    limit: int,
    category: str,
    query: str,
) -> tuple[list[Article], tuple[str, str] | None, int]:
    """Articles by title without contents, where the list goes on, and how many there are in all."""
    conditions = [articles.c.tenant_id == tenant_id]
    if category:
        conditions.append(articles.c.category == category)
    if query:
        conditions.append(
            or_(
                articles.c.title.icontains(query, autoescape=True),
                articles.c.source_path.icontains(query, autoescape=True),
            )
        )
    total = (await connection.execute(select(func.count()).select_from(articles).where(*conditions))).scalar_one()
    key = func.lower(articles.c.title)
    page = select(*_LISTED, key.label("key")).where(*conditions).order_by(key, articles.c.id).limit(limit + 1)
    if after is not None:
        page = page.where(tuple_(key, articles.c.id) > tuple_(after[0], UUID(after[1])))
    rows = (await connection.execute(page)).all()
    following = (rows[limit - 1].key, str(rows[limit - 1].id)) if len(rows) > limit else None
    return [_article(row) for row in rows[:limit]], following, total


async def by_ids(connection: AsyncConnection, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Article]:
    """Articles without contents, by id."""
    query = select(*_LISTED).where(articles.c.tenant_id == tenant_id, articles.c.id.in_(ids))
    return {row.id: _article(row) for row in await connection.execute(query)}


async def known(connection: AsyncConnection, tenant_id: UUID, source_paths: Sequence[str]) -> dict[str, Known]:
    """What is known of the documents with these paths."""
    query = select(
        articles.c.source_path, articles.c.id, articles.c.content_hash, articles.c.title, articles.c.passage_count
    ).where(articles.c.tenant_id == tenant_id, articles.c.source_path.in_(source_paths))
    return {
        row.source_path: Known(row.id, row.content_hash, row.title, row.passage_count)
        for row in await connection.execute(query)
    }


async def create(connection: AsyncConnection, tenant_id: UUID, prepared: PreparedArticle) -> Article:
    """Write a new article with its passages and vectors. Raises `AlreadyExists` when its source path is taken."""
    query = insert(articles).values(tenant_id=tenant_id, **_values(prepared)).returning(*_WHOLE)
    try:
        async with connection.begin_nested():
            row = (await connection.execute(query)).one()
    except IntegrityError as error:
        raise AlreadyExists("an article with this source path is there already") from error
    await _write_passages(connection, tenant_id, row.id, prepared)
    return _article(row)


async def replace(
    connection: AsyncConnection, tenant_id: UUID, article_id: UUID, prepared: PreparedArticle
) -> Article | None:
    """Put `prepared` in the place of an article, which keeps its id. None when there is none.

    An edit by hand keeps the hash of the document it was imported from: only a newer document replaces the edit.
    """
    values = _values(prepared)
    if prepared.content_hash is None:
        del values["content_hash"]
    query = (
        update(articles).where(articles.c.tenant_id == tenant_id, articles.c.id == article_id)
        .values(**values, version=articles.c.version + 1, updated_at=func.now()).returning(*_WHOLE)
    )  # fmt: skip
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    await _remove_passages(connection, tenant_id, [article_id])
    await _write_passages(connection, tenant_id, article_id, prepared)
    return _article(row)


async def change(
    connection: AsyncConnection, tenant_id: UUID, article_id: UUID, values: Mapping[str, Any]
) -> Article | None:
    """Change fields that no passage depends on. None when there is no such article."""
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    query = (
        update(articles).where(articles.c.tenant_id == tenant_id, articles.c.id == article_id)
        .values(**values, version=articles.c.version + 1, updated_at=func.now()).returning(*_WHOLE)
    )  # fmt: skip
    row = (await connection.execute(query)).first()
    return _article(row) if row is not None else None


async def remove(connection: AsyncConnection, tenant_id: UUID, article_id: UUID) -> bool:
    """Delete an article. False when there is none."""
    await _remove_passages(connection, tenant_id, [article_id])
    result = await connection.execute(
        delete(articles).where(articles.c.tenant_id == tenant_id, articles.c.id == article_id)
    )
    return bool(result.rowcount)


async def pending_articles(connection: AsyncConnection, tenant_id: UUID, embedder: str, limit: int) -> list[Article]:
    """Articles with passages that `embedder` has not embedded, contents included."""
    missing = ~select(embeddings.c.chunk_id).where(
        embeddings.c.tenant_id == tenant_id, embeddings.c.embedder == embedder, embeddings.c.chunk_id == chunks.c.id
    ).exists()  # fmt: skip
    waiting = select(chunks.c.article_id).where(chunks.c.tenant_id == tenant_id, missing).distinct().limit(limit)
    query = select(*_WHOLE).where(articles.c.tenant_id == tenant_id, articles.c.id.in_(waiting))
    return [_article(row) for row in await connection.execute(query)]


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
) -> None:
    """Write the vectors of an article whose passages are `chunk_ids`, in order."""
    title = [{"tenant": tenant_id, "embedder": vectors.embedder, "id": article_id, "vector": vectors.title}]
    await connection.execute(_UPSERT_TITLE, title)
    rows = [
        {
            "tenant": tenant_id,
            "embedder": vectors.embedder,
            "id": chunk_id,
            "vector": own.embedding,
            "sentences": own.sentences,
        }
        for chunk_id, own in zip(chunk_ids, vectors.passages, strict=True)
    ]
    if rows:
        await connection.execute(_UPSERT_VECTOR, rows)


_UPSERT_TITLE = text("""
    INSERT INTO article_embeddings (tenant_id, embedder, article_id, embedding)
    VALUES (:tenant, :embedder, :id, CAST(CAST(:vector AS text) AS vector))
    ON CONFLICT (tenant_id, embedder, article_id) DO UPDATE SET embedding = excluded.embedding
""")
_UPSERT_VECTOR = text("""
    INSERT INTO embeddings (tenant_id, embedder, chunk_id, embedding, sentences)
    VALUES (:tenant, :embedder, :id, CAST(CAST(:vector AS text) AS vector), :sentences)
    ON CONFLICT (tenant_id, embedder, chunk_id) DO UPDATE SET embedding = excluded.embedding,
        sentences = excluded.sentences
""")


async def _write_passages(
    connection: AsyncConnection, tenant_id: UUID, article_id: UUID, prepared: PreparedArticle
) -> None:
    await connection.execute(_LOCK_STATS, {"tenant": tenant_id})
    if prepared.passages:
        await connection.execute(_INSERT_CHUNKS, [
            {"tenant": tenant_id, "article": article_id, "position": position, "start": row.start, "end": row.end,
             "headings": list(row.heading_path), "search": row.lexemes, "length": row.length}
            for position, row in enumerate(prepared.passages)
        ])  # fmt: skip
        await connection.execute(_ADD_TERMS, {
            "tenant": tenant_id, "terms": list(prepared.occurrences), "counts": list(prepared.occurrences.values()),
            "words": [prepared.words[term] for term in prepared.occurrences],
        })  # fmt: skip
    await connection.execute(_ADD_STATS, {
        "tenant": tenant_id, "chunks": len(prepared.passages),
        "languages": [base_language(prepared.draft.language) or "en"],
        "length": sum(row.length for row in prepared.passages),
    })  # fmt: skip
    if prepared.vectors is not None:
        ids = [passage.id for passage in (await passages_of(connection, tenant_id, [article_id])).get(article_id, [])]
        await write_vectors(connection, tenant_id, article_id, ids, prepared.vectors)


async def _remove_passages(connection: AsyncConnection, tenant_id: UUID, article_ids: Sequence[UUID]) -> None:
    await connection.execute(_LOCK_STATS, {"tenant": tenant_id})
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


def _values(prepared: PreparedArticle) -> dict[str, Any]:
    draft = prepared.draft
    return {
        "source_path": draft.source_path or None, "title": draft.title, "summary": draft.summary,
        "content": draft.content, "category": draft.category, "tags": list(draft.tags), "language": draft.language,
        "url": draft.url, "content_hash": prepared.content_hash, "passage_count": len(prepared.passages),
        "published_at": draft.published_at,
        "changed_at": draft.changed_at if draft.changed_at is not None else literal_column("now()"),
    }  # fmt: skip


def _article(row: Any) -> Article:
    return Article(
        id=row.id, source_path=row.source_path or "", title=row.title, summary=row.summary,
        content=getattr(row, "content", ""), category=row.category, tags=tuple(row.tags), language=row.language,
        url=row.url, version=row.version, passage_count=row.passage_count, published_at=row.published_at,
        changed_at=row.changed_at, created_at=row.created_at, updated_at=row.updated_at,
    )  # fmt: skip
