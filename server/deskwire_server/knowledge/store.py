"""SQL of articles, in a transaction of their tenant. Never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    any_,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.auth.caller import Role
from deskwire_server.errors import AlreadyExists
from deskwire_server.knowledge import passage_store
from deskwire_server.knowledge.audience import EDITOR, Audience, Reader
from deskwire_server.knowledge.models import Article, PreparedArticle, article_embeddings, articles, knowledge_stats

_LISTED = tuple(column for column in articles.c if column.name not in ("content", "content_hash", "tenant_id"))
_WHOLE = (*_LISTED, articles.c.content)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a document that was imported before."""

    id: UUID
    content_hash: bytes | None
    title: str
    passage_count: int


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
    await passage_store.write(connection, tenant_id, row.id, prepared)
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
    await passage_store.remove(connection, tenant_id, [article_id])
    await passage_store.write(connection, tenant_id, article_id, prepared)
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
    if row is None:
        return None
    # As changes of passages do: whoever keeps what it read of the articles looks at this row for changes.
    await connection.execute(
        update(knowledge_stats).where(knowledge_stats.c.tenant_id == tenant_id).values(chunks=knowledge_stats.c.chunks)
    )
    return _article(row)


async def remove(connection: AsyncConnection, tenant_id: UUID, article_id: UUID) -> bool:
    """Delete an article. False when there is none."""
    await passage_store.remove(connection, tenant_id, [article_id])
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
