"""Groups questions that found no answer, and closes gaps that articles fill. In the background, a tenant at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.db.engine import Database
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Embedder
from deskwire_server.gaps import store
from deskwire_server.gaps.models import Gap, Known, Unanswered
from deskwire_server.knowledge.service import KnowledgeService

_log = structlog.get_logger(__name__)
_MOST = 200
"""Questions of a tenant that are grouped in one step."""
_CHECKED = 20
_LIKE = 0.7
"""Likeness of two questions from which on they ask for the same."""
_ANSWERS = 0.6
"""Relevance from which on a passage counts as an answer."""
_LEAST_WORDS = 2
_LONGEST = 500


class GapCollector:
    """Looks after the tenants that this worker serves. Several workers may: each question is counted once."""

    def __init__(
        self,
        database: Database,
        knowledge: KnowledgeService,
        embedder: Embedder | None,
        tenants: Callable[[], Iterable[UUID]],
    ) -> None:
        """Without an embedder only equal questions are one gap."""
        self._database = database
        self._knowledge = knowledge
        self._embedder = embedder
        self._tenants = tenants

    async def step(self) -> None:
        """Group what is new and close what is filled, of every tenant. Raises `DatabaseUnavailable`."""
        for tenant_id in list(self._tenants()):
            try:
                await self.collect(tenant_id)
                await self.close_filled(tenant_id)
            except EmbedderUnavailable as error:
                _log.info("gaps_postponed", reason=error.message)

    async def collect(self, tenant_id: UUID) -> int:
        """Group new questions of one tenant; how many there were. Raises `EmbedderUnavailable`."""
        name = self._embedder.name if self._embedder is not None else ""
        async with self._database.transaction(tenant_id) as connection:
            asked = await store.unanswered(connection, _MOST)
        if not asked:
            return 0
        vectors = await self._vectors([question.text for question in asked])
        async with self._database.transaction(tenant_id) as connection:
            if not await store.try_lock(connection, tenant_id):
                return 0
            gaps = _Gaps(await store.known(connection, name))
            for question, vector in zip(asked, vectors, strict=True):
                await store.add(
                    connection, tenant_id, await self._gap_of(connection, tenant_id, gaps, question, vector), question
                )
        return len(asked)

    async def close_filled(self, tenant_id: UUID) -> int:
        """Close open gaps that an article answers which changed after their last question; how many."""
        closed = 0
        async with self._database.transaction(tenant_id) as connection:
            waiting = await store.to_check(connection, _CHECKED)
        for gap in waiting:
            article_id = await self._answer(tenant_id, gap)
            async with self._database.transaction(tenant_id) as connection:
                await store.checked(connection, gap.id)
                changed = await store.article_changed_at(connection, article_id) if article_id else None
                if changed is not None and changed > gap.last_asked_at:
                    await store.close(connection, gap.id, article_id)
                    closed += 1
        return closed

    async def _gap_of(
        self, connection: AsyncConnection, tenant_id: UUID, gaps: _Gaps, asked: Unanswered, vector: bytes
    ) -> UUID | None:
        """The gap that a question belongs to, a new one where there is none; None for what is no question."""
        text = " ".join(asked.text.split())[:_LONGEST]
        if len(text.split()) < _LEAST_WORDS:
            return None
        found = gaps.nearest(text, vector)
        if found is None:
            name = self._embedder.name if self._embedder is not None else ""
            found = await store.open_gap(connection, tenant_id, text, name, vector, asked.asked_at)
            gaps.add(Known(found, text, vector))
        return found

    async def _answer(self, tenant_id: UUID, gap: Gap) -> UUID | None:
        """The article that answers a gap's question well, if there is one."""
        passages = await self._knowledge.passages(tenant_id, gap.question, limit=1)
        return UUID(passages[0].article_id) if passages and passages[0].relevance >= _ANSWERS else None

    async def _vectors(self, texts: Sequence[str]) -> list[bytes]:
        if self._embedder is None:
            return [b""] * len(texts)
        made = await self._embedder.embed([text[:_LONGEST] for text in texts], purpose="document")
        return [row.astype("<f2").tobytes() for row in np.asarray(made)]


class _Gaps:
    """Known gaps, to find the one that a question belongs to."""

    def __init__(self, known: Sequence[Known]) -> None:
        self._ids = {_folded(gap.question): gap.id for gap in reversed(known)}
        compared = [gap for gap in known if gap.vector]
        self._compared = [gap.id for gap in compared]
        self._vectors: list[NDArray[np.float32]] = [_unpacked(gap.vector) for gap in compared]

    def nearest(self, text: str, vector: bytes) -> UUID | None:
        """The gap whose question is the same, or the one that is most like it."""
        same = self._ids.get(_folded(text))
        if same is not None or not vector or not self._vectors:
            return same
        likeness = np.stack(self._vectors) @ _unpacked(vector)
        best = int(likeness.argmax())
        return self._compared[best] if likeness[best] >= _LIKE else None

    def add(self, gap: Known) -> None:
        """A gap that was just opened."""
        self._ids[_folded(gap.question)] = gap.id
        if gap.vector:
            self._compared.append(gap.id)
            self._vectors.append(_unpacked(gap.vector))


def _unpacked(vector: bytes) -> NDArray[np.float32]:
    return np.frombuffer(vector, dtype="<f2").astype(np.float32)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" ?!.")
