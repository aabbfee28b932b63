"""The knowledge base of a tenant: articles, imports, search, and passages for answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db.engine import Database
from deskwire_server.embeddings.port import Embedder
from deskwire_server.embeddings.shelf import Shelf
from deskwire_server.errors import Aborted, InvalidArgument, NotFound
from deskwire_server.knowledge import citing, store
from deskwire_server.knowledge.audience import ANYBODY, Reader
from deskwire_server.knowledge.importing import Importer
from deskwire_server.knowledge.models import (
    Article,
    ArticleDraft,
    ArticlePage,
    ArticlePatch,
    DocumentResult,
    PreparedArticle,
    SearchQuery,
    SearchResults,
)
from deskwire_server.knowledge.parse import Document, clean_markdown
from deskwire_server.knowledge.prepare import prepare_draft, with_vectors
from deskwire_server.knowledge.search import Searcher
from deskwire_server.llm.port import Passage

_WRITERS = (Role.ADMIN, Role.SERVICE)


@dataclass(frozen=True, slots=True)
class ArticleUpdate:
    """An update made ready."""

    version: int
    """Version of the article that it was made from."""
    changed: Mapping[str, Any]
    prepared: PreparedArticle | None
    """The article anew, where its passages change."""


class KnowledgeService:
    """Everybody in a tenant may search and read; administrators and services may change."""

    def __init__(self, database: Database, embedders: Shelf | Embedder | None) -> None:
        """`embedders` are those that this server has; without one search compares words alone."""
        shelf = embedders if isinstance(embedders, Shelf) else Shelf([embedders] if embedders is not None else [])
        self._database = database
        self._embedders = shelf
        self._searcher = Searcher(database, shelf)
        self._importer = Importer(database, shelf)

    @property
    def database(self) -> Database:
        """Where the articles are."""
        return self._database

    @property
    def embedders(self) -> Shelf:
        """The embedders that this server has."""
        return self._embedders

    @property
    def importer(self) -> Importer:
        """What gives passages their vectors."""
        return self._importer

    async def search(self, caller: Caller, query: SearchQuery) -> SearchResults:
        """Articles that fit and that the caller may read, best first."""
        return await self._searcher.search(caller.tenant_id, query, Reader.of(caller))

    async def passages(
        self, tenant_id: UUID, question: str, history: Sequence[str] = (), limit: int = 6, *, reader: Reader = ANYBODY
    ) -> tuple[Passage, ...]:
        """The best passages for an answer to `reader`, numbered from 1.

        `history`: the messages before it, oldest first.
        """
        return await self._searcher.passages(tenant_id, question, history, limit, reader)

    async def current(self, tenant_id: UUID, passages: Sequence[Passage], reader: Reader) -> tuple[Passage, ...]:
        """Those of `passages` that still stand in an article which `reader` may read, with their present place."""
        return await citing.current(self._database, tenant_id, passages, reader)

    async def get_article(self, caller: Caller, article_id: UUID) -> Article:
        """One article with its content. Raises `NotFound`, also where its audience leaves the caller out."""
        async with self._database.transaction(caller.tenant_id) as connection:
            article = await store.get(connection, caller.tenant_id, article_id, Reader.of(caller))
        if article is None:
            raise NotFound.of("article")
        return article

    async def list_articles(
        self,
        caller: Caller,
        *,
        after: tuple[str, str] | None = None,
        limit: int = 50,
        category: str = "",
        query: str = "",
    ) -> ArticlePage:
        """Articles that the caller may read, by title, contents left out. `after` is the `next` of the page before."""
        async with self._database.transaction(caller.tenant_id) as connection:
            articles, following, total = await store.listed(
                connection,
                caller.tenant_id,
                Reader.of(caller),
                after=after,
                limit=limit,
                category=category,
                query=query,
            )
        return ArticlePage(tuple(articles), following, total)

    async def create_article(self, caller: Caller, draft: ArticleDraft) -> Article:
        """A new article, found when this returns. Raises `AlreadyExists`, `InvalidArgument`, `PermissionDenied`."""
        prepared = await self.prepare_create(caller, draft)
        async with self._database.transaction(caller.tenant_id) as connection:
            return await self.create_in(connection, caller, prepared)

    async def prepare_create(self, caller: Caller, draft: ArticleDraft) -> PreparedArticle:
        """All of a creation that needs no transaction: checks, cutting, embedding."""
        caller.require(*_WRITERS)
        cleaned = replace(draft, content=await asyncio.to_thread(_cleaned, draft.content))
        return await self._prepared(caller.tenant_id, cleaned)

    async def create_in(self, connection: AsyncConnection, caller: Caller, prepared: PreparedArticle) -> Article:
        """The rest of a creation, in a transaction of the caller's tenant."""
        caller.require(*_WRITERS)
        return await store.create(connection, caller.tenant_id, prepared)

    async def update_article(self, caller: Caller, article_id: UUID, patch: ArticlePatch, *, etag: str = "") -> Article:
        """Change an article. Raises `NotFound`, `Aborted` when `etag` is stale, `InvalidArgument`."""
        update = await self.prepare_update(caller, article_id, patch, etag=etag)
        async with self._database.transaction(caller.tenant_id) as connection:
            return await self.update_in(connection, caller, article_id, update)

    async def prepare_update(
        self, caller: Caller, article_id: UUID, patch: ArticlePatch, *, etag: str = ""
    ) -> ArticleUpdate:
        """All of an update that needs no transaction."""
        caller.require(*_WRITERS)
        article = await self.get_article(caller, article_id)
        _check_etag(article, etag)
        content = None if patch.content is None else await asyncio.to_thread(_cleaned, patch.content)
        values = {name: value for name in _PATCHED if (value := getattr(patch, name)) is not None}
        if content is not None:
            values["content"] = content
        changed = {name: value for name, value in values.items() if value != getattr(article, name)}
        prepared = None
        if changed.keys() & _INDEXED:
            draft = ArticleDraft(
                **{name: values.get(name, getattr(article, name)) for name in _PATCHED},
                source_path=article.source_path,
                published_at=article.published_at,
            )
            prepared = await self._prepared(caller.tenant_id, draft)
        return ArticleUpdate(article.version, changed, prepared)

    async def update_in(
        self, connection: AsyncConnection, caller: Caller, article_id: UUID, update: ArticleUpdate
    ) -> Article:
        """The rest of an update, in a transaction of the caller's tenant. Raises `NotFound`, `Aborted`."""
        caller.require(*_WRITERS)
        article = await store.get(connection, caller.tenant_id, article_id, lock=True)
        if article is None:
            raise NotFound.of("article")
        _check_etag(article, str(update.version))
        if update.prepared is not None:
            written = await store.replace(connection, caller.tenant_id, article_id, update.prepared)
        elif update.changed:
            written = await store.change(connection, caller.tenant_id, article_id, update.changed)
        else:
            return article
        if written is None:
            raise NotFound.of("article")
        return written

    async def delete_article(self, caller: Caller, article_id: UUID, *, etag: str = "") -> None:
        """Delete an article. Raises `NotFound`, `Aborted` when `etag` is stale."""
        async with self._database.transaction(caller.tenant_id) as connection:
            await self.delete_in(connection, caller, article_id, etag=etag)

    async def delete_in(self, connection: AsyncConnection, caller: Caller, article_id: UUID, *, etag: str = "") -> None:
        """The same in a transaction of the caller's tenant."""
        caller.require(*_WRITERS)
        article = await store.get(connection, caller.tenant_id, article_id, lock=True)
        if article is None:
            raise NotFound.of("article")
        _check_etag(article, etag)
        await store.remove(connection, caller.tenant_id, article_id)

    def import_documents(
        self, caller: Caller, documents: AsyncIterator[Document]
    ) -> AsyncGenerator[DocumentResult, None]:
        """Import `documents`, a result for each in their order; what succeeded can be found when its result is out.

        A known source path replaces its article if the document differs. A bad document never stops the rest. Raises
        `PermissionDenied` at once, `DatabaseUnavailable` in between.
        """
        caller.require(*_WRITERS)
        return self._importer.run(caller.tenant_id, documents)

    async def embed_pending(self, tenant_id: UUID) -> int:
        """Embed what waits for vectors of the embedders in use: how many passages. Raises `EmbedderUnavailable`."""
        return await self._importer.embed_pending(tenant_id)

    async def _prepared(self, tenant_id: UUID, draft: ArticleDraft) -> PreparedArticle:
        draft = replace(draft, title=" ".join(draft.title.split()), tags=tuple(dict.fromkeys(draft.tags)))
        for name in ("title", "summary", "content", "category", "url", "source_path", "language"):
            if "\0" in getattr(draft, name):
                raise InvalidArgument.field(f"article.{name}", "must not contain the NUL character", "string.no_nul")
        if not draft.title:
            raise InvalidArgument.field("article.title", "must not be empty", "article.title")
        prepared = await asyncio.to_thread(prepare_draft, draft)
        if not prepared.passages:
            raise InvalidArgument.field("article.content", "must hold words once markup is removed", "article.content")
        return (await with_vectors(await self._importer.in_use(tenant_id), [prepared]))[0]


_INDEXED = frozenset({"title", "summary", "content", "language"})
_PATCHED = ("title", "content", "summary", "category", "tags", "language", "url", "audience")


def _cleaned(content: str) -> str:
    return clean_markdown(content.replace("\r\n", "\n"))[0]


def _check_etag(article: Article, etag: str) -> None:
    if etag and etag != article.etag:
        raise Aborted("the article was changed in the meantime; read it again", metadata={"resource": "article"})
