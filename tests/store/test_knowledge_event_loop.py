"""Searches, imports and edits never keep the event loop for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np
import pytest

from deskwire_server.embeddings.port import Vectors
from deskwire_server.embeddings.shelf import Shelf
from deskwire_server.knowledge.models import ArticleDraft, ArticlePatch, SearchQuery
from deskwire_server.knowledge.parse import Document
from deskwire_server.knowledge.service import KnowledgeService
from tests.support.knowledge import Knowledge, WordEmbedder, knowledge_on, stream
from tests.support.loop_watch import watched_loop
from tests.support.postgres import TestPostgres

SUBJECTS = ("invoice", "refund", "funnel", "coupon", "webhook", "domain", "export", "dashboard")
QUESTIONS = (
    "how do i dowload an invioce",
    "Wie lange dauert die Erstattung meiner Rechnung, wenn ich mit einem Gutschein bezahlt habe?",
    "Why does the dashboard show other numbers than the export of the same funnel, and who may change the domain?",
    "webhook " * 200,
    "refund",
)


class ThreadedEmbedder(WordEmbedder):
    """Embeds elsewhere, as the real ones do."""

    def __init__(self) -> None:
        super().__init__("test/threaded", 384)

    async def embed(self, texts: Sequence[str], *, purpose: str) -> Vectors:
        return await asyncio.to_thread(lambda: np.stack([self._vector(text) for text in texts]))


def _page(number: int, paragraphs: int) -> str:
    subject = SUBJECTS[number % len(SUBJECTS)]
    parts = [
        f"## Part {part} of {subject}\n\nThe {subject} number {part} is made on day {part % 28}. It is kept for a "
        f"year, and whoever has the role of an owner may change it in the settings.\n\n- first item\n- second item\n"
        for part in range(paragraphs)
    ]
    return f"# All about {subject} {number}\n\n" + "\n".join(parts)


@pytest.fixture
def large() -> str:
    return _page(3, 3_000)[:600_000]


async def test_searches(postgres: TestPostgres) -> None:
    async with knowledge_on(postgres) as knowledge:
        service = await _filled(knowledge)
        for _ in range(2):  # The first round loads what is loaded once.
            with watched_loop() as watch:
                for text in QUESTIONS:
                    found = await service.search(knowledge.user, SearchQuery(text, limit=100))
                    assert found.hits or text.startswith("Wie")
                    history = ["What is the maximum of steps of a funnel?", "A funnel may have eight steps. " * 50]
                    await service.passages(knowledge.user.tenant_id, text, history, 8)
        watch.check()


async def test_imports_and_edits(postgres: TestPostgres, large: str) -> None:
    async with knowledge_on(postgres) as knowledge:
        service = await _filled(knowledge)
        article = await service.create_article(knowledge.admin, ArticleDraft("Short", "A short text on invoices."))
        with watched_loop() as watch:
            documents = [Document(f"new{number}.md", _page(number, 60).encode()) for number in range(12)]
            documents.append(Document("large.md", large.encode()))
            started = time.monotonic()
            results = [one async for one in service.import_documents(knowledge.admin, stream(documents))]
            assert len(results) == 13
            assert time.monotonic() - started < 120
            await service.update_article(knowledge.admin, article.id, ArticlePatch(content=large[:200_000]))
            await service.get_article(knowledge.user, article.id)
            await service.delete_article(knowledge.admin, article.id)
        watch.check()


async def _filled(knowledge: Knowledge) -> KnowledgeService:
    service = KnowledgeService(knowledge.database, Shelf([ThreadedEmbedder()]))
    documents = [Document(f"page{number}.md", _page(number, 12).encode()) for number in range(40)]
    _ = [one async for one in service.import_documents(knowledge.admin, stream(documents))]
    return service
