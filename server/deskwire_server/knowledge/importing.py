"""Imports documents: skips what is unchanged, embeds across documents, writes in small transactions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from deskwire_server.db.engine import Database, is_unreachable
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Embedder
from deskwire_server.embeddings.shelf import Shelf
from deskwire_server.knowledge import embedder_store, passage_store, store
from deskwire_server.knowledge.embedder_models import Status
from deskwire_server.knowledge.models import Article, DocumentResult, ImportOutcome, PreparedArticle
from deskwire_server.knowledge.parse import Document, DocumentFault, DocumentRejected
from deskwire_server.knowledge.prepare import (
    content_hash,
    embed_articles,
    embedding_texts,
    prepare_document,
    with_vectors,
)

_BATCH_DOCUMENTS = 16
_BATCH_BYTES = 512 * 1024
_PENDING_ARTICLES = 16
_MAX_PATH = 1024
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Bad:
    """A document that can't be written."""

    path: str
    reason: str
    message: str


class Importer:
    """Brings documents into a tenant's knowledge base."""

    def __init__(self, database: Database, embedders: Shelf) -> None:
        self._database = database
        self._embedders = embedders

    async def run(self, tenant_id: UUID, documents: AsyncIterator[Document]) -> AsyncGenerator[DocumentResult, None]:
        """A result for each of `documents`, in their order. What succeeded can be found by then."""
        await self._catch_up(tenant_id)
        async with aclosing(_batches(documents)) as batches:
            async for batch in batches:
                for result in await self._batch(tenant_id, batch):
                    yield result

    async def embed_pending(self, tenant_id: UUID) -> int:
        """Embed what waits for vectors of the embedders in use; how many passages. Raises `EmbedderUnavailable`."""
        done = 0
        for embedder in await self.in_use(tenant_id):
            while (some := await self.embed_some(tenant_id, embedder)) is not None:
                done += some
        return done

    async def in_use(self, tenant_id: UUID) -> list[Embedder]:
        """Embedders whose vectors new passages get at once, the active one first; the default for a new tenant."""
        async with self._database.transaction(tenant_id) as connection:
            kept = await embedder_store.listed(connection, tenant_id)
        if not kept and self._embedders.default is not None:
            return [self._embedders.default]
        order = (Status.ACTIVE, Status.READY, Status.BUILDING)
        rows = sorted((row for row in kept if row.status in order), key=lambda row: order.index(row.status))
        found = (self._embedders.find(row.name, row.dimensions) for row in rows)
        return [embedder for embedder in found if embedder is not None]

    async def embed_some(self, tenant_id: UUID, embedder: Embedder) -> int | None:
        """Embed some of what waits for `embedder`: how many passages, None when nothing waits.

        Raises `EmbedderUnavailable`.
        """
        async with self._database.transaction(tenant_id) as connection:
            waiting = await store.pending_articles(connection, tenant_id, embedder.name, _PENDING_ARTICLES)
            passages = await passage_store.passages_of(connection, tenant_id, [article.id for article in waiting])
        return await self._embed(tenant_id, embedder, waiting, passages) if waiting else None

    async def _embed(
        self,
        tenant_id: UUID,
        embedder: Embedder,
        waiting: Sequence[Article],
        passages: dict[UUID, list[passage_store.PendingPassage]],
    ) -> int | None:
        places = {key: [(one.start, one.end, one.heading_path) for one in own] for key, own in passages.items()}
        texts = await asyncio.to_thread(
            lambda: [embedding_texts(one.title, one.summary, one.content, places.get(one.id, [])) for one in waiting]
        )
        vectors = await embed_articles(embedder, texts)
        done = 0
        async with self._database.transaction(tenant_id) as connection:
            for article, own in zip(waiting, vectors, strict=True):
                current = await store.get(connection, tenant_id, article.id, lock=True)
                if current is None or current.version != article.version:
                    continue  # Changed meanwhile: its new passages are pending by themselves.
                ids = [passage.id for passage in passages.get(article.id, [])]
                if not await passage_store.write_vectors(connection, tenant_id, article.id, ids, own):
                    return None  # Retired meanwhile.
                done += len(ids)
        return done

    async def _catch_up(self, tenant_id: UUID) -> None:
        """What an earlier import left without vectors gets them now, if it can."""
        try:
            await self.embed_pending(tenant_id)
        except EmbedderUnavailable as error:
            _log.warning("embedding_postponed", reason=error.message)

    async def _batch(self, tenant_id: UUID, batch: Sequence[Document]) -> list[DocumentResult]:
        paths = [document.source_path for document in batch if not _path_fault(document.source_path)]
        async with self._database.transaction(tenant_id) as connection:
            known = await store.known(connection, tenant_id, paths)
        parsed = await asyncio.to_thread(lambda: [_prepared(one, known.get(one.source_path)) for one in batch])
        fresh = [one for one in parsed if isinstance(one, PreparedArticle)]
        embedders = await self.in_use(tenant_id) if fresh else []
        ready = iter(await with_vectors(embedders, fresh))
        items = [next(ready) if isinstance(one, PreparedArticle) else one for one in parsed]
        try:
            prepared = [one for one in items if isinstance(one, PreparedArticle)]
            written = await self._write(tenant_id, prepared, embedders)
        except DBAPIError as error:
            if is_unreachable(error):
                raise
            _log.warning("import_batch_split", documents=len(batch), error=type(error.orig).__name__)
            written = await self._write_singly(tenant_id, items, embedders)
        return [_result(document, item, written) for document, item in zip(batch, items, strict=True)]

    async def _write(
        self, tenant_id: UUID, articles: Sequence[PreparedArticle], embedders: Sequence[Embedder]
    ) -> dict[str, DocumentResult]:
        results: dict[str, DocumentResult] = {}
        if not articles:
            return results
        # What search compares decides whether a passage waits.
        searched = embedders[0].name if embedders else ""
        async with self._database.transaction(tenant_id) as connection:
            paths = [one.draft.source_path for one in articles]
            known = await store.known(connection, tenant_id, paths)
            for one in articles:
                path = one.draft.source_path
                article = None
                if path in known:
                    article = await store.replace(connection, tenant_id, known[path].id, one)
                outcome = ImportOutcome.UPDATED if article is not None else ImportOutcome.CREATED
                if article is None:
                    article = await store.create(connection, tenant_id, one)
                results[path] = DocumentResult(
                    path, outcome, article.id, article.title, warnings=one.warnings,
                    passage_count=len(one.passages), pending=one.pending(searched),
                )  # fmt: skip
        return results

    async def _write_singly(
        self, tenant_id: UUID, items: Sequence[PreparedArticle | DocumentResult | _Bad], embedders: Sequence[Embedder]
    ) -> dict[str, DocumentResult]:
        """One transaction a document, so that the one that Postgres refuses fails alone."""
        results: dict[str, DocumentResult] = {}
        for one in items:
            if not isinstance(one, PreparedArticle):
                continue
            try:
                results |= await self._write(tenant_id, [one], embedders)
            except DBAPIError as error:
                if is_unreachable(error):
                    raise
                _log.error("import_document_failed", source_path=one.draft.source_path, exc_info=error)
                path = one.draft.source_path
                results[path] = DocumentResult(
                    path, ImportOutcome.FAILED, reason="INTERNAL", message="the article could not be written",
                )  # fmt: skip
        return results


async def _batches(documents: AsyncIterator[Document]) -> AsyncGenerator[list[Document], None]:
    """Documents in batches of different paths: of one path twice, the second sees what became of the first."""
    batch: list[Document] = []
    paths: set[str] = set()
    size = 0
    async for document in documents:
        document = replace(document, source_path=document.source_path.replace("\\", "/").removeprefix("./"))
        full = len(batch) == _BATCH_DOCUMENTS or size + len(document.data) > _BATCH_BYTES
        if batch and (full or document.source_path in paths):
            yield batch
            batch, paths, size = [], set(), 0
        batch.append(document)
        paths.add(document.source_path)
        size += len(document.data)
    if batch:
        yield batch


def _prepared(document: Document, known: store.Known | None) -> PreparedArticle | DocumentResult | _Bad:
    """The document ready to be written, its result when it is unchanged, or why it can't be. Blocking."""
    path = document.source_path
    fault = _path_fault(path)
    if fault:
        return _Bad(path, "INVALID_FIELD", fault)
    if known is not None and known.content_hash == content_hash(document):
        return DocumentResult(path, ImportOutcome.UNCHANGED, known.id, known.title, passage_count=known.passage_count)
    try:
        return prepare_document(document)
    except DocumentRejected as error:
        return _Bad(path, error.fault.value, error.message)
    except Exception as error:
        # Whatever a parser stumbles over in one document, the others go in.
        _log.error("import_document_failed", source_path=path, exc_info=error)
        return _Bad(path, DocumentFault.UNREADABLE.value, "the document could not be parsed")


def _path_fault(path: str) -> str:
    if not path or len(path) > _MAX_PATH:
        return f"source_path must have 1 to {_MAX_PATH} characters"
    if path.startswith("/") or ".." in path.split("/") or re.search(r"[\x00-\x1f]", path):
        return "source_path must be a relative path without '..' and control characters"
    return ""


def _result(
    document: Document, item: PreparedArticle | DocumentResult | _Bad, written: dict[str, DocumentResult]
) -> DocumentResult:
    if isinstance(item, DocumentResult):
        return item
    if isinstance(item, _Bad):
        return DocumentResult(item.path, ImportOutcome.FAILED, reason=item.reason, message=item.message)
    return written[document.source_path]
