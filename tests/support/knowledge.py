"""A knowledge service on a real Postgres with an embedder that needs no model."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import asyncpg
import numpy as np

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db.engine import Database
from deskwire_server.db.urls import for_asyncpg
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Vectors
from deskwire_server.embeddings.shelf import Shelf
from deskwire_server.knowledge.models import DocumentResult
from deskwire_server.knowledge.parse import Document
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.knowledge.text import stems
from tests.support.postgres import TestPostgres


class WordEmbedder:
    """Texts that share words lie close: each stem has a direction of its own."""

    def __init__(self, name: str = "test/words", dimensions: int = 64) -> None:
        self.name = name
        self.dimensions = dimensions
        self.away = False
        self.calls: list[int] = []

    async def embed(self, texts: Sequence[str], *, purpose: str) -> Vectors:
        if self.away:
            raise EmbedderUnavailable("away", embedder=self.name)
        self.calls.append(len(texts))
        return np.stack([self._vector(text) for text in texts])

    async def close(self) -> None:
        self.away = True

    def _vector(self, text: str) -> Vectors:
        total = np.full(self.dimensions, 1e-3)
        for term in stems(text):
            seed = int.from_bytes(hashlib.sha256(term.encode()).digest()[:4])
            total += np.random.default_rng(seed).normal(size=self.dimensions)
        unit: Vectors = (total / np.linalg.norm(total)).astype(np.float32)
        return unit


@dataclass(frozen=True)
class Knowledge:
    """A service, its parts, and an administrator of a tenant of its own."""

    service: KnowledgeService
    database: Database
    embedder: WordEmbedder
    admin: Caller

    @property
    def user(self) -> Caller:
        """A user of the same tenant."""
        return replace(self.admin, user_id="ana", role=Role.USER)

    async def load(self, *documents: tuple[str, str], caller: Caller | None = None) -> list[DocumentResult]:
        """Import Markdown documents, each a path and its text."""
        found = (Document(path, text.encode()) for path, text in documents)
        return [result async for result in self.service.import_documents(caller or self.admin, stream(found))]


@asynccontextmanager
async def knowledge_on(
    postgres: TestPostgres, *, with_embedder: bool = True, others: Sequence[WordEmbedder] = (), dimensions: int = 64
) -> AsyncIterator[Knowledge]:
    """A service with a tenant of its own."""
    database = Database(postgres.app_url, pool_size=4)
    embedder = WordEmbedder(dimensions=dimensions)
    try:
        yield Knowledge(
            KnowledgeService(database, Shelf([embedder, *others] if with_embedder else [])),
            database,
            embedder,
            await new_admin(postgres),
        )
    finally:
        await database.close()


async def new_admin(postgres: TestPostgres) -> Caller:
    """An administrator of a new tenant."""
    slug = f"t{uuid4().hex[:12]}"
    connection = await asyncpg.connect(for_asyncpg(postgres.app_url))
    try:
        tenant_id = await connection.fetchval("SELECT id FROM tenant_ensure($1)", slug)
    finally:
        await connection.close()
    return Caller(tenant_id, slug, "cleo", Role.ADMIN)


async def stream(documents: Iterable[Document]) -> AsyncIterator[Document]:
    """Documents as they come over a call."""
    for document in documents:
        yield document
