"""Works on vectors in the background: those that are missing, those of another embedder, indexes of large tenants.

Everything that is left to do stands in Postgres, so that whichever worker is there goes on with it. A lease keeps two
workers from doing the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID, uuid4

import numpy as np
import structlog

from deskwire_server import monitor
from deskwire_server.db.engine import Database
from deskwire_server.db.system import SystemDatabase
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Embedder
from deskwire_server.knowledge import embedder_store, search_store
from deskwire_server.knowledge.embedder_models import Comparison, EmbedderState, Status
from deskwire_server.knowledge.search_store import EXACT_FLOATS, Scope, VectorSpace
from deskwire_server.knowledge.sentences import sentences
from deskwire_server.knowledge.service import KnowledgeService

SHARDS = 8
"""Groups of large tenants that the database has indexes for."""
INDEXED_DIMENSIONS = frozenset({384, 768, 1024, 1536})
"""Lengths of vectors that it has them for."""
_EVERY = 15.0
_LEASE = 60.0
_MOVED = 250
"""Vectors that go into an index in one transaction."""
_REMOVED = 2_000
_SAMPLES = 40
_NEAREST = 10
_BUILDING = "SELECT DISTINCT tenant_id FROM knowledge_embedders WHERE status IN ('building', 'retired')"
_GROUPS = "SELECT shard, count(*) AS tenants FROM knowledge_embedders WHERE shard > 0 GROUP BY shard"
_log = structlog.get_logger(__name__)


class CatchingUp:
    """Looks after the tenants that this worker serves, and after those that wait for an embedder."""

    def __init__(
        self,
        knowledge: KnowledgeService,
        tenants: Callable[[], Iterable[UUID]],
        system: SystemDatabase | None = None,
        worker_id: UUID | None = None,
    ) -> None:
        """`system` tells of all tenants; without it only `tenants` are looked after."""
        self._knowledge = knowledge
        self._database: Database = knowledge.database
        self._tenants = tenants
        self._system = system
        self._worker_id = worker_id or uuid4()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look at once rather than in some seconds."""
        self._woken.set()

    async def run(self) -> None:
        """Work for ever."""
        await monitor.keep_looking(self.step, self._woken, every=_EVERY)

    async def step(self) -> None:
        """Do what waits, of every tenant in turn. An absent embedder is left in peace until the next step."""
        waiting = [] if self._system is None else await self._system.fetch(_BUILDING)
        for tenant_id in dict.fromkeys([*self._tenants(), *(row["tenant_id"] for row in waiting)]):
            for state in await self._embedders_of(tenant_id):
                try:
                    await self._look_after(tenant_id, state)
                except EmbedderUnavailable as error:
                    _log.info("catching_up_postponed", embedder=state.name, reason=error.message)

    async def _embedders_of(self, tenant_id: UUID) -> list[EmbedderState]:
        """The tenant's embedders; the server's default is begun where the tenant uses another one of no choice."""
        default = self._knowledge.embedders.default
        async with self._database.transaction(tenant_id) as connection:
            states = await embedder_store.listed(connection, tenant_id)
            # Also one that was given up counts: it is not begun again unasked.
            names = {state.name for state in states}
            chose = any(state.is_chosen and state.status is Status.ACTIVE for state in states)
            is_missing = default is not None and not chose and default.name not in names
            if default is not None and is_missing and await embedder_store.passages(connection, tenant_id):
                await embedder_store.begin(connection, tenant_id, default.name, default.dimensions, chosen=False)
                states = await embedder_store.listed(connection, tenant_id)
        return states

    async def _look_after(self, tenant_id: UUID, state: EmbedderState) -> None:
        embedder = self._knowledge.embedders.find(state.name, state.dimensions)
        if not await self._has_work(tenant_id, state, embedder) or not await self._claim(tenant_id, state.name):
            return
        try:
            if state.status is Status.RETIRED:
                await self._remove(tenant_id, state.name)
                return
            if embedder is not None and not await self._fill(tenant_id, embedder):
                return
            if state.status is Status.BUILDING and embedder is not None:
                await self._finish(tenant_id, state, embedder)
            if await self._is_large(tenant_id, state):
                await self._index(tenant_id, state)
        finally:
            async with self._database.transaction(tenant_id) as connection:
                await embedder_store.release(connection, tenant_id, state.name, self._worker_id)

    async def _has_work(self, tenant_id: UUID, state: EmbedderState, embedder: Embedder | None) -> bool:
        async with self._database.transaction(tenant_id) as connection:
            if state.status is Status.RETIRED:
                return (await embedder_store.counts(connection, tenant_id, state.name))[1] > 0
            waits = embedder is not None and await embedder_store.has_waiting(connection, tenant_id, state.name)
        builds = embedder is not None and state.status is Status.BUILDING
        return waits or builds or (not state.is_indexed and await self._is_large(tenant_id, state))

    async def _claim(self, tenant_id: UUID, name: str) -> bool:
        async with self._database.transaction(tenant_id) as connection:
            return await embedder_store.claim(connection, tenant_id, name, self._worker_id, _LEASE)

    async def _fill(self, tenant_id: UUID, embedder: Embedder) -> bool:
        """Embed all that waits. False when another worker has taken over, or the embedder was retired."""
        done = 0
        while (some := await self._knowledge.importer.embed_some(tenant_id, embedder)) is not None:
            done += some
            if not await self._claim(tenant_id, embedder.name):
                return False
        if done:
            _log.info("caught_up", tenant_id=str(tenant_id), embedder=embedder.name, passages=done)
        return True

    async def _finish(self, tenant_id: UUID, state: EmbedderState, embedder: Embedder) -> None:
        """All vectors are there: compare with the active embedder, and switch where the settings asked for it."""
        comparison = await self._compared(tenant_id, state, embedder)
        async with self._database.transaction(tenant_id) as connection:
            await embedder_store.set_ready(connection, tenant_id, state.name, comparison)
            active = await embedder_store.active(connection, tenant_id)
            if active is None or not (state.is_chosen or active.is_chosen):
                await embedder_store.activate(connection, tenant_id, state.name, chosen=False)
        _log.info("embedder_ready", tenant_id=str(tenant_id), embedder=state.name)

    async def _compared(self, tenant_id: UUID, state: EmbedderState, embedder: Embedder) -> Comparison | None:
        async with self._database.transaction(tenant_id) as connection:
            active = await embedder_store.active(connection, tenant_id)
            rows = await embedder_store.samples(connection, tenant_id, _SAMPLES)
        other = None if active is None else self._knowledge.embedders.find(active.name, active.dimensions)
        samples = [(article, parts[len(parts) // 2].text) for article, text in rows if (parts := sentences(text))]
        if active is None or other is None or not samples:
            return None
        texts = [text for _, text in samples]
        try:
            found = await self._nearest(tenant_id, state, embedder, texts)
            beside = await self._nearest(tenant_id, active, other, texts)
        except EmbedderUnavailable as error:
            _log.info("embedders_not_compared", reason=error.message)
            return None
        pairs = list(zip(found, beside, strict=True))
        shared = [len(mine.keys() & theirs.keys()) / max(1, len(theirs)) for mine, theirs in pairs]
        own = [article in mine.values() for mine, (article, _) in zip(found, samples, strict=True)]
        own_beside = [article in theirs.values() for theirs, (article, _) in zip(beside, samples, strict=True)]
        return Comparison(active.name, len(samples), _mean(shared), _mean(own), _mean(own_beside))

    async def _nearest(
        self, tenant_id: UUID, state: EmbedderState, embedder: Embedder, texts: list[str]
    ) -> list[dict[UUID, UUID]]:
        """For each of `texts` the nearest passages with their articles."""
        space = VectorSpace(state.name, state.dimensions, state.shard if state.is_indexed else 0)
        vectors = await embedder.embed(texts, purpose="query")
        found = []
        corpus, _ = await search_store.look_up(self._database, tenant_id, [])
        for vector in vectors:
            async with self._database.reading(tenant_id, search_store.SETTINGS) as connection:
                ids = await search_store.near(connection, tenant_id, space, vector, Scope(corpus.chunks), _NEAREST)
                found.append(await search_store.articles_of(connection, tenant_id, ids))
        return found

    async def _is_large(self, tenant_id: UUID, state: EmbedderState) -> bool:
        if self._system is None or state.dimensions not in INDEXED_DIMENSIONS:
            return False
        async with self._database.transaction(tenant_id) as connection:
            passages = await embedder_store.passages(connection, tenant_id)
        return passages * state.dimensions > EXACT_FLOATS

    async def _index(self, tenant_id: UUID, state: EmbedderState) -> None:
        """Bring the vectors into the index of a group. Searches compare them one by one until all are in."""
        shard = state.shard or await self._least_used()
        if not state.shard:
            async with self._database.transaction(tenant_id) as connection:
                await embedder_store.set_shard(connection, tenant_id, state.name, shard)
        after: UUID | None = None
        while True:
            async with self._database.transaction(tenant_id) as connection:
                after = await embedder_store.move(connection, tenant_id, state.name, shard, after, _MOVED)
            if after is None:
                break
            if not await self._claim(tenant_id, state.name):
                return
        async with self._database.transaction(tenant_id) as connection:
            if await embedder_store.set_indexed(connection, tenant_id, state.name, shard):
                _log.info("vectors_indexed", tenant_id=str(tenant_id), embedder=state.name, shard=shard)

    async def _least_used(self) -> int:
        assert self._system is not None
        tenants = {row["shard"]: row["tenants"] for row in await self._system.fetch(_GROUPS)}
        return min(range(1, SHARDS + 1), key=lambda shard: (tenants.get(shard, 0), shard))

    async def _remove(self, tenant_id: UUID, name: str) -> None:
        while True:
            async with self._database.transaction(tenant_id) as connection:
                gone = await embedder_store.remove_vectors(connection, tenant_id, name, _REMOVED)
            if gone < _REMOVED or not await self._claim(tenant_id, name):
                return


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)
