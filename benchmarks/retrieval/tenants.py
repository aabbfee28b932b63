"""Measures search beside tenants of every size: recall and time of vectors, and whole searches beside bare SQL."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.eval.data import data_folder, questions
from benchmarks.retrieval import bare
from benchmarks.retrieval.data import Matrix, jittered, nearest
from benchmarks.retrieval.fill import EMBEDDER, Tenant, fill
from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db.engine import Database
from deskwire_server.db.system import SystemDatabase
from deskwire_server.db.urls import for_asyncpg
from deskwire_server.embeddings.minilm import MiniLM
from deskwire_server.embeddings.port import Vectors
from deskwire_server.knowledge import search_store
from deskwire_server.knowledge.catching_up import CatchingUp
from deskwire_server.knowledge.models import SearchQuery
from deskwire_server.knowledge.search_store import Scope, VectorSpace
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.knowledge.vectors import literal
from deskwire_server.stack.postgres import PostgresUrls

_SHARES = (1, 0.2, 0.05, 0.025, 0.01, 0.001)
"""Sizes of the tenants, as shares of the largest."""
_QUESTIONS = 150
_NEAREST = 10
_WARM = 50
"""Questions that are asked before the clock counts."""
_ALL_VECTORS = """
CREATE TABLE bench_all AS SELECT chunk_id, embedding::halfvec(384) AS embedding FROM embeddings;
CREATE INDEX ON bench_all USING hnsw (embedding halfvec_ip_ops);
SET hnsw.ef_search = 100
"""
_UNFILTERED = f"""
SELECT chunk_id FROM bench_all ORDER BY embedding <#> $1::text::halfvec(384) LIMIT {search_store.CANDIDATES}
"""


class KnownVectors:
    """An embedder whose answers were made before, so that searches are timed apart from it."""

    name = EMBEDDER
    dimensions = 384

    def __init__(self, texts: Sequence[str]) -> None:
        model = MiniLM.load()
        self._known = dict(zip(texts, model.embed(list(texts)), strict=True))
        self._model = model

    async def embed(self, texts: Sequence[str], *, purpose: str) -> Vectors:
        """The vectors; a corrected text is embedded at its first time."""
        for text in texts:
            if text not in self._known:
                self._known[text] = self._model.embed([text])[0]
        return np.stack([self._known[text] for text in texts])

    async def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True)
class _Line:
    tenant: Tenant
    recall: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class _Lines:
    p50: float
    """Of the index over all."""
    p99: float
    lines: list[_Line]


async def measure(urls: PostgresUrls, real: Matrix, chunks: int, console: Console) -> None:
    """Fill tenants of every size, index what is large, and print both tables."""
    rows = questions(data_folder()) or []
    texts = [row.text for row in rows if not row.history][:_QUESTIONS]
    embedder = KnownVectors(texts)
    tenants = [await fill(urls, real, max(20, round(chunks * share)), seed) for seed, share in enumerate(_SHARES, 1)]
    database, system = Database(urls.app, pool_size=len(_SHARES) + 4), SystemDatabase(urls.system)
    try:
        service = KnowledgeService(database, embedder)
        started = time.perf_counter()
        await CatchingUp(service, lambda: [tenant.id for tenant in tenants], system).step()
        console.print(f"indexed in the background in {time.perf_counter() - started:.0f} s")
        await _analyse(urls)
        asked = jittered(real, _QUESTIONS, 99)
        _show_tenants(await _nearest_of_all(urls, database, tenants, asked), console)
        await _searches(urls, database, service, tenants[0], texts, console)
    finally:
        await database.close()
        await system.close()


async def _analyse(urls: PostgresUrls) -> None:
    connection = await asyncpg.connect(urls.superuser.rpartition("/")[0] + "/deskwire", command_timeout=3_600)
    try:
        await connection.execute("VACUUM (ANALYZE) embeddings")
        for table in ("chunks", "articles", "knowledge_postings", "knowledge_terms", "article_embeddings"):
            await connection.execute(f"VACUUM (ANALYZE) {table}")
    finally:
        await connection.close()


async def _nearest_of_all(urls: PostgresUrls, database: Database, tenants: Sequence[Tenant], asked: Matrix) -> _Lines:
    """Each question of every tenant and of one index over all vectors without a filter, in turn."""
    superuser = urls.superuser.rpartition("/")[0] + "/deskwire"
    async with AsyncExitStack() as stack:
        plain = await asyncpg.connect(superuser, command_timeout=3_600)
        stack.push_async_callback(plain.close)
        await plain.execute(_ALL_VECTORS)
        asks = {tenant.slug: await stack.enter_async_context(_asking(database, tenant)) for tenant in tenants}
        right = {tenant.slug: nearest(tenant.vectors, asked, _NEAREST) for tenant in tenants}
        times: dict[str, list[float]] = {"": [], **{slug: [] for slug in asks}}
        hits = Counter[str]()
        for place, vector in enumerate([*asked[:_WARM], *asked]):
            begun = time.perf_counter()
            await plain.fetch(_UNFILTERED, literal(vector))
            times[""].append(1_000 * (time.perf_counter() - begun))
            for tenant in tenants:
                begun = time.perf_counter()
                found = await asks[tenant.slug].near(vector)
                times[tenant.slug].append(1_000 * (time.perf_counter() - begun))
                if place >= _WARM:
                    truth = {tenant.chunk_ids[row] for row in right[tenant.slug][place - _WARM]}
                    hits[tenant.slug] += len(truth & set(await asks[tenant.slug].best(found, vector)))
    lines = [
        _Line(tenant, hits[tenant.slug] / (_NEAREST * len(asked)), *_percentiles(times[tenant.slug][_WARM:]))
        for tenant in tenants
    ]
    return _Lines(*_percentiles(times[""][_WARM:]), lines)


@dataclass(frozen=True, slots=True)
class _Asking:
    """A tenant's vectors, asked as search asks them, in one transaction."""

    connection: Any
    tenant: Tenant
    space: VectorSpace
    scope: Scope

    async def near(self, vector: Vectors) -> list[UUID]:
        """The candidates."""
        return await search_store.near(
            self.connection, self.tenant.id, self.space, vector, self.scope, search_store.CANDIDATES
        )

    async def best(self, found: Sequence[UUID], vector: Vectors) -> list[UUID]:
        """The ten nearest of the candidates, as ranking sees them."""
        rows = await search_store.features(self.connection, self.tenant.id, found, [], [], self.space, vector)
        return [row.chunk_id for row in sorted(rows, key=lambda row: -(row.cosine or 0.0))[:_NEAREST]]


@asynccontextmanager
async def _asking(database: Database, tenant: Tenant) -> AsyncIterator[_Asking]:
    corpus, _ = await search_store.look_up(database, tenant.id, [])
    space = next(one for one in corpus.spaces if one.embedder == EMBEDDER)
    async with database.reading(tenant.id, search_store.SETTINGS) as connection:
        yield _Asking(connection, tenant, space, Scope(corpus.chunks))


def _percentiles(times: Sequence[float]) -> tuple[float, float]:
    p50, p99 = np.percentile(times, [50, 99])
    return float(p50), float(p99)


async def _searches(
    urls: PostgresUrls,
    database: Database,
    service: KnowledgeService,
    tenant: Tenant,
    texts: Sequence[str],
    console: Console,
) -> None:
    """Whole searches, their own statements replayed, and one fused statement, in turn for each question."""
    caller = Caller(tenant.id, tenant.slug, "bench", Role.ADMIN)
    times: dict[str, list[float]] = {"search": [], "its own statements, bare": [], "one fused statement, bare": []}
    async with bare.fused(urls, tenant.id) as fused, _replaying(urls.app, tenant.id) as replay:
        for text in [*texts[:20], *texts]:
            vector = (await service.embedders.default.embed([text], purpose="query"))[0]  # type: ignore[union-attr]
            with bare.recorded(database) as statements:
                await service.search(caller, SearchQuery(text, limit=10))
            begun = time.perf_counter()
            await service.search(caller, SearchQuery(text, limit=10))
            searched = time.perf_counter()
            await replay(statements)
            replayed = time.perf_counter()
            await fused(text, vector)
            done = time.perf_counter()
            for name, took in zip(times, (searched - begun, replayed - searched, done - replayed), strict=True):
                times[name].append(1_000 * took)
    table = Table(title=f"Whole searches over {len(tenant.chunk_ids):,} passages", title_justify="left")
    for name in ("what", "p50 ms", "p90 ms", "p99 ms"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name, taken in times.items():
        table.add_row(name, *(f"{value:.1f}" for value in np.percentile(taken[20:], [50, 90, 99])))
    console.print(table)


@asynccontextmanager
async def _replaying(url: str, tenant_id: UUID) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(for_asyncpg(url))

    async def replay(transactions: Sequence[Sequence[tuple[str, tuple[Any, ...]]]]) -> None:
        for statements in transactions:
            if statements[0][0].startswith("SELECT * FROM knowledge_look_up"):
                await connection.fetch(statements[0][0], *statements[0][1])  # Sets the tenant by itself.
                continue
            await connection.execute(
                f"BEGIN READ ONLY; SET LOCAL deskwire.tenant_id = '{tenant_id}'; {search_store.SETTINGS}"
            )
            for query, arguments in statements:
                await connection.fetch(query, *arguments)
            await connection.execute("ROLLBACK")

    try:
        yield replay
    finally:
        await connection.close()


def _show_tenants(measured: _Lines, console: Console) -> None:
    title = f"Nearest passages; one index over all tenants without a filter: {measured.p50:.2f} ms"
    table = Table(title=title, title_justify="left")
    for name in ("passages", "how", "recall@10", "p50 ms", "p99 ms", "of the unfiltered"):
        table.add_column(name, justify="left" if name == "how" else "right")
    for line in measured.lines:
        size = len(line.tenant.chunk_ids)
        how = "index" if size > search_store.EXACT_UP_TO else "one by one"
        share = f"{line.p50 / measured.p50:.2f}"
        table.add_row(f"{size:,}", how, f"{line.recall:.3f}", f"{line.p50:.2f}", f"{line.p99:.2f}", share)
    console.print(table)
