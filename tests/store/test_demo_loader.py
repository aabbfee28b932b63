"""The demo tenant is loaded once, and again only when its files change or its vectors are missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Literal

import numpy as np
import pytest
from sqlalchemy import text

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db.engine import Database
from deskwire_server.demo import loader
from deskwire_server.demo.content import articles, users
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Vectors
from deskwire_server.knowledge.service import KnowledgeService
from tests.support.postgres import TestPostgres


class FakeEmbedder:
    """Vectors of word lengths; away for the first `failures` calls."""

    name, dimensions = "test/lengths", 8

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        if self.failures:
            self.failures -= 1
            raise EmbedderUnavailable("starting", embedder=self.name)
        vectors = np.ones((len(texts), self.dimensions), dtype=np.float32)
        for row, each in enumerate(texts):
            vectors[row, len(each) % self.dimensions] += 1
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
async def database(postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr(loader, "TENANT", f"demo-{id(object())}")
    ready = Database(postgres.app_url, pool_size=2)
    yield ready
    await ready.close()


async def test_loaded_once_and_again_when_the_files_change(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await loader.load_demo(database, FakeEmbedder(failures=2))
    assert (first.changed, first.articles, first.users) == (True, len(articles()), len(users()))
    assert not (await loader.load_demo(database, FakeEmbedder())).changed
    monkeypatch.setattr(loader, "fingerprint", lambda: "another")
    assert (await loader.load_demo(database, FakeEmbedder())).changed
    row = await database.fetchrow("SELECT id FROM tenant_find($1)", loader.TENANT)
    assert row is not None
    async with database.transaction(row["id"]) as connection:
        roles = (await connection.execute(text("SELECT user_id, role FROM users ORDER BY user_id"))).all()
    assert [tuple(each) for each in roles] == [
        ("ana", "user"),
        ("ben", "agent"),
        ("billing-service", "service"),
        ("cleo", "admin"),
    ]
    page = await KnowledgeService(database, None).list_articles(Caller(row["id"], loader.TENANT, "ana", Role.USER))
    assert page.total_count == len(articles())


async def test_without_the_embedder_articles_go_in_and_the_next_run_adds_vectors(database: Database) -> None:
    away = FakeEmbedder(failures=1_000_000)
    assert (await loader.load_demo(database, away, embedder_timeout=0)).articles == len(articles())
    again = await asyncio.wait_for(loader.load_demo(database, FakeEmbedder()), 30)
    assert again.changed
    assert not (await loader.load_demo(database, FakeEmbedder())).changed
