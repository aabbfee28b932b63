"""SQL of articles, passages, vectors and a tenant's words, in a transaction of that tenant. Never commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    TextClause,
    any_,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.auth.caller import Role
from deskwire_server.errors import AlreadyExists
from deskwire_server.ids import uuid7
from deskwire_server.knowledge.audience import EDITOR, Audience, Reader
from deskwire_server.knowledge.models import (
    Article,
    ArticleVectors,
    PreparedArticle,
    article_embeddings,
    articles,
    chunks,
)
from deskwire_server.understanding.language import base_language

_Row = TypeVar("_Row")
_ROWS_AT_ONCE = 40
_TERMS_AT_ONCE = 1_000

_LISTED = tuple(column for column in articles.c if column.name not in ("content", "content_hash", "tenant_id"))
_WHOLE = (*_LISTED, articles.c.content)

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


async def get(
    connection: AsyncConnection, tenant_id: UUID, article_id: UUID, reader: Reader = EDITOR, *, lock: bool = False
) -> Article | None:
    """One article that `reader` may read, None when there is none.

    `lock` keeps others from changing it until the transaction ends.
    """
    query = select(*_WHOLE).where(articles.c.tenant_id == tenant_id, articles.c.id == article_id, *_readable(reader))
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return _article(row) if row is not None else None


async def listed(
    connection: AsyncConnection,
    tenant_id: UUID,
    reader: Reader,
    *,
    after: tuple[str, str] | None,
    limit: int,
    category: str,
    query: str,
) -> tuple[list[Article], tuple[str, str] | None, int]:
    """Articles that `reader` may read, by title, without contents, where the list goes on, and how many in all."""
    conditions = [articles.c.tenant_id == tenant_id, *_readable(reader)]
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


def _readable(reader: Reader) -> list[ColumnElement[bool]]:
    """What an article must be for `reader`; the same as in the search's SQL."""
    if reader.sees_all:
        return []
    roles, plans = articles.c.audience_roles, articles.c.audience_plans
    conditions = [or_(roles == [], literal(reader.role) == any_(roles))]
    if reader.role == Role.USER:
        conditions.append(or_(plans == [], literal(reader.plan) == any_(plans)))
    if reader.languages:
        languages = articles.c.audience_languages
        conditions.append(or_(languages == [], languages.op("&&")(cast(list(reader.languages), ARRAY(Text)))))
    return conditions


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
    if (audience := values.pop("audience", None)) is not None:
        values |= _audience_values(audience)
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
    """Articles that `embedder` has not embedded, contents included."""
    # The vector of its title is written with those of its passages, and goes with them.
    missing = ~select(article_embeddings.c.article_id).where(
        article_embeddings.c.tenant_id == tenant_id, article_embeddings.c.embedder == embedder,
        article_embeddings.c.article_id == articles.c.id,
    ).exists()  # fmt: skip
    query = select(*_WHOLE).where(articles.c.tenant_id == tenant_id, articles.c.passage_count > 0, missing).limit(limit)
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


async def _write_passages(
    connection: AsyncConnection, tenant_id: UUID, article_id: UUID, prepared: PreparedArticle
) -> None:
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


async def _remove_passages(connection: AsyncConnection, tenant_id: UUID, article_ids: Sequence[UUID]) -> None:
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


def _values(prepared: PreparedArticle) -> dict[str, Any]:
    draft = prepared.draft
    return {
        **(_audience_values(draft.audience) if draft.audience is not None else {}),
        "source_path": draft.source_path or None, "title": draft.title, "summary": draft.summary,
        "content": draft.content, "category": draft.category, "tags": list(draft.tags), "language": draft.language,
        "url": draft.url, "content_hash": prepared.content_hash, "passage_count": len(prepared.passages),
        "published_at": draft.published_at,
        "changed_at": draft.changed_at if draft.changed_at is not None else literal_column("now()"),
    }  # fmt: skip


def _audience_values(audience: Audience) -> dict[str, Any]:
    return {
        "audience_roles": list(audience.roles), "audience_plans": list(audience.plans),
        "audience_languages": list(audience.languages),
    }  # fmt: skip


def _article(row: Any) -> Article:
    return Article(
        id=row.id, source_path=row.source_path or "", title=row.title, summary=row.summary,
        content=getattr(row, "content", ""), category=row.category, tags=tuple(row.tags), language=row.language,
        url=row.url, version=row.version, passage_count=row.passage_count, published_at=row.published_at,
        changed_at=row.changed_at, created_at=row.created_at, updated_at=row.updated_at,
        audience=Audience(tuple(row.audience_roles), tuple(row.audience_plans), tuple(row.audience_languages)),
    )  # fmt: skip
