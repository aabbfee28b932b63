"""Embedders side by side: built in the background, compared, switched to and back, given up; searches go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from deskwire_server.db.system import SystemDatabase
from deskwire_server.embeddings.shelf import Shelf
from deskwire_server.errors import FailedPrecondition, NotFound, PermissionDenied
from deskwire_server.knowledge import catching_up as work
from deskwire_server.knowledge import embedder_store, search_store
from deskwire_server.knowledge.catching_up import CatchingUp
from deskwire_server.knowledge.embedder_models import Status
from deskwire_server.knowledge.models import ArticleDraft, SearchQuery
from deskwire_server.knowledge.reembedding import Reembedding
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.stack import programs
from tests.support.knowledge import Knowledge, WordEmbedder, knowledge_on
from tests.support.postgres import TestPostgres

OTHER = "test/others"
DOCUMENTS = tuple(
    (
        f"{word}.md",
        f"# About {word}\n\nThe {word} is made every month.\n\n## Keep the {word}\n\nKeep {word} for a year.",
    )
    for word in ("invoice", "refund", "funnel", "coupon", "webhook", "domain")
)


@pytest.fixture
async def knowledge(postgres: TestPostgres) -> AsyncIterator[Knowledge]:
    async with knowledge_on(postgres, others=[WordEmbedder(OTHER, 1536)], dimensions=384) as ready:
        await ready.load(*DOCUMENTS)
        yield ready


@pytest.fixture
async def system(postgres: TestPostgres) -> AsyncIterator[SystemDatabase]:
    database = SystemDatabase(postgres.system_url)
    yield database
    await database.close()


def _worker(knowledge: Knowledge, system: SystemDatabase | None = None) -> CatchingUp:
    return CatchingUp(knowledge.service, lambda: [knowledge.admin.tenant_id], system)


def _manager(knowledge: Knowledge) -> Reembedding:
    return Reembedding(knowledge.database, knowledge.service.embedders, lambda: None)


def _other(knowledge: Knowledge) -> WordEmbedder:
    found = knowledge.service.embedders.find(OTHER)
    assert isinstance(found, WordEmbedder)
    return found


async def _finds(knowledge: Knowledge, word: str) -> bool:
    found = await knowledge.service.search(knowledge.user, SearchQuery(f"How long do I keep the {word}?"))
    return not found.degraded and bool(found.hits) and found.hits[0].article.source_path == f"{word}.md"


async def test_blue_and_green(knowledge: Knowledge) -> None:
    manager, worker = _manager(knowledge), _worker(knowledge)
    first, other = await manager.list(knowledge.admin)
    assert (first.name, first.state and first.state.status) == (knowledge.embedder.name, Status.ACTIVE)
    assert (other.name, other.state, other.is_available, other.dimensions) == (OTHER, None, True, 1536)

    begun = await manager.start(knowledge.admin, OTHER)
    assert begun.state is not None
    assert (begun.state.status, begun.passages, begun.embedded) == (Status.BUILDING, 6, 0)
    with pytest.raises(FailedPrecondition) as early:
        await manager.activate(knowledge.admin, OTHER)
    assert early.value.reason == "EMBEDDER_NOT_READY"
    assert await _finds(knowledge, "refund")
    assert not _other(knowledge).calls

    await worker.step()
    done = await manager.get(knowledge.admin, OTHER)
    assert done.state is not None
    assert done.state.comparison is not None
    assert (done.state.status, done.embedded) == (Status.READY, 6)
    assert done.state.comparison.beside == knowledge.embedder.name
    assert 0 < done.state.comparison.overlap <= 1
    assert done.state.comparison.own_article == 1.0

    # Both are kept up to date while both are kept.
    await knowledge.load(("late.md", "# Latecomers\n\nA latecomer waits outside for the break."))
    assert (await manager.get(knowledge.admin, OTHER)).embedded == 7

    for name in (OTHER, knowledge.embedder.name):
        switched = await manager.activate(knowledge.admin, name)
        assert switched.state is not None
        assert switched.state.status is Status.ACTIVE
        asked = (len(_other(knowledge).calls), len(knowledge.embedder.calls))
        assert await _finds(knowledge, "coupon")
        used_other = len(_other(knowledge).calls) > asked[0]
        assert used_other == (name == OTHER)

    with pytest.raises(FailedPrecondition) as active:
        await manager.retire(knowledge.admin, knowledge.embedder.name)
    assert active.value.reason == "EMBEDDER_ACTIVE"
    await manager.retire(knowledge.admin, OTHER)
    await worker.step()
    assert (await manager.get(knowledge.admin, OTHER)).embedded == 0
    assert await _finds(knowledge, "domain")
    # It can be begun anew.
    await manager.start(knowledge.admin, OTHER)
    await worker.step()
    assert (await manager.get(knowledge.admin, OTHER)).embedded == 7


async def test_searches_go_on_while_it_is_built_and_switched(knowledge: Knowledge) -> None:
    manager, worker = _manager(knowledge), _worker(knowledge)
    over = asyncio.Event()

    async def search() -> int:
        count = 0
        while not over.is_set():
            assert await _finds(knowledge, "webhook")
            count += 1
        return count

    searching = asyncio.create_task(search())
    await manager.start(knowledge.admin, OTHER)
    await worker.step()
    await manager.activate(knowledge.admin, OTHER)
    await manager.activate(knowledge.admin, knowledge.embedder.name)
    over.set()
    assert await searching > 0


async def test_a_worker_that_dies_is_followed_by_another(
    knowledge: Knowledge, system: SystemDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _manager(knowledge).start(knowledge.admin, OTHER)
    _other(knowledge).away = True
    await _worker(knowledge).step()
    assert (await _manager(knowledge).get(knowledge.admin, OTHER)).embedded == 0
    _other(knowledge).away = False
    async with knowledge.database.transaction(knowledge.admin.tenant_id) as connection:
        assert await embedder_store.claim(connection, knowledge.admin.tenant_id, OTHER, uuid4(), 60)
    await _worker(knowledge).step()
    # Somebody else holds the lease.
    assert (await _manager(knowledge).get(knowledge.admin, OTHER)).embedded == 0
    async with knowledge.database.transaction(knowledge.admin.tenant_id) as connection:
        await connection.exec_driver_sql("UPDATE knowledge_embedders SET lease_until = now() - interval '1 second'")
    # A new worker that has served nobody yet finds the work by itself.
    await CatchingUp(knowledge.service, list, system).step()
    assert (await _manager(knowledge).get(knowledge.admin, OTHER)).embedded == 6


async def test_an_absent_embedder_leaves_search_to_the_other(knowledge: Knowledge) -> None:
    await _manager(knowledge).start(knowledge.admin, OTHER)
    await _worker(knowledge).step()
    knowledge.embedder.away = True
    assert await _finds(knowledge, "funnel")


async def test_another_default_takes_over_when_it_is_ready(knowledge: Knowledge) -> None:
    service = KnowledgeService(knowledge.database, Shelf([_other(knowledge), knowledge.embedder]))
    worker = CatchingUp(service, lambda: [knowledge.admin.tenant_id])
    await worker.step()
    found = await _manager(knowledge).list(knowledge.admin)
    assert [(view.name, view.state and view.state.status) for view in found] == [
        (OTHER, Status.ACTIVE), (knowledge.embedder.name, Status.READY),
    ]  # fmt: skip
    # What an administrator chose stays.
    await _manager(knowledge).start(knowledge.admin, knowledge.embedder.name)
    await _manager(knowledge).activate(knowledge.admin, knowledge.embedder.name)
    await worker.step()
    assert (await _manager(knowledge).list(knowledge.admin))[0].name == knowledge.embedder.name


async def test_who_may_and_what_is_refused(knowledge: Knowledge) -> None:
    manager = _manager(knowledge)
    for call in (manager.list(knowledge.user), manager.start(knowledge.user, OTHER)):
        with pytest.raises(PermissionDenied):
            await call
    with pytest.raises(FailedPrecondition) as unknown:
        await manager.start(knowledge.admin, "test/none")
    assert unknown.value.reason == "EMBEDDER_UNKNOWN"
    for other_call in (manager.get, manager.activate, manager.retire):
        with pytest.raises(NotFound):
            await other_call(knowledge.admin, "test/none")


@pytest.mark.parametrize("name", ["test/words", OTHER])
async def test_large_tenants_get_an_index(
    postgres: TestPostgres, knowledge: Knowledge, system: SystemDatabase, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(search_store, "EXACT_FLOATS", 384 * 3)
    monkeypatch.setattr(work, "EXACT_FLOATS", 384 * 3)
    if name == OTHER:
        await _manager(knowledge).start(knowledge.admin, OTHER)
        await _worker(knowledge, system).step()
        await _manager(knowledge).activate(knowledge.admin, OTHER)
    await _worker(knowledge, system).step()
    corpus, _ = await search_store.look_up(knowledge.database, knowledge.admin.tenant_id, [])
    space = corpus.spaces[0]
    assert space.embedder == name
    assert space.shard > 0
    plan = await _plan_of_search(postgres, knowledge)
    assert f"embeddings_hnsw_{space.dimensions}_{space.shard}" in plan
    assert await _finds(knowledge, "invoice")
    # New passages go into the same index.
    await knowledge.load(("late.md", "# Latecomers\n\nA latecomer waits outside for the break."))
    found = await knowledge.service.search(knowledge.user, SearchQuery("where does a latecomer wait"))
    assert found.hits[0].article.source_path == "late.md"


async def test_a_small_tenant_loses_nothing_beside_a_large_one(
    postgres: TestPostgres, knowledge: Knowledge, system: SystemDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (search_store, work):
        monkeypatch.setattr(module, "EXACT_FLOATS", 384 * 3)
    monkeypatch.setattr(work, "SHARDS", 1)
    async with knowledge_on(postgres, dimensions=384) as large:
        subjects = ("invoice", "refund", "funnel", "coupon", "webhook", "domain")
        await large.load(
            *((f"{n}.md", f"# {subjects[n % 6]} {n}\n\nKeep the {subjects[n % 6]} {n} for a year.") for n in range(400))
        )
        for one in (large, knowledge):
            await _worker(one, system).step()
        questions = await knowledge.embedder.embed(
            [f"keep the {word} and coupon" for word in subjects], purpose="query"
        )
        for one in (large, knowledge):
            tenant_id = one.admin.tenant_id
            corpus, _ = await search_store.look_up(one.database, tenant_id, [])
            space = corpus.spaces[0]
            assert space.shard == 1
            exact = search_store.VectorSpace(space.embedder, space.dimensions, 0)
            shared = wanted = 0
            async with one.database.reading(tenant_id, search_store.SETTINGS) as connection:
                for vector in questions:
                    scope = search_store.Scope(corpus.chunks)
                    right = set(await search_store.near(connection, tenant_id, exact, vector, scope, 10))
                    found = await search_store.near(connection, tenant_id, space, vector, scope, 10)
                    shared, wanted = shared + len(right & set(found)), wanted + len(right)
            assert wanted == 6 * min(10, corpus.chunks)
            assert shared >= 0.95 * wanted


async def _plan_of_search(postgres: TestPostgres, knowledge: Knowledge) -> str:
    """How Postgres answers the statement that search asks for the nearest passages."""
    tenant_id = knowledge.admin.tenant_id
    corpus, _ = await search_store.look_up(knowledge.database, tenant_id, [])
    embedder = knowledge.service.embedders.find(corpus.spaces[0].embedder)
    assert embedder is not None
    (vector,) = await embedder.embed(["invoice"], purpose="query")
    asked: list[str] = []

    class Explaining:
        def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
            self._connection = connection

        async def fetch(self, query: str, *arguments: object) -> list[object]:
            asked.extend(row[0] for row in await self._connection.fetch(f"EXPLAIN {query}", *arguments))
            return []

    async with knowledge.database.reading(tenant_id, search_store.SETTINGS) as connection:
        scope = search_store.Scope(corpus.chunks)
        await search_store.near(Explaining(connection), tenant_id, corpus.spaces[0], vector, scope, 10)
    return "\n".join(asked)


async def test_the_stack_knows_whether_a_tenant_is_on_local_vectors(postgres: TestPostgres) -> None:
    connection = await asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + "/deskwire")
    try:
        # Tests before this one left tenants behind.
        await connection.execute("UPDATE knowledge_embedders SET status = 'retired' WHERE name LIKE 'local/%'")
        assert not await programs.uses_local_vectors(postgres.system_url)
        async with knowledge_on(postgres) as knowledge:
            local = KnowledgeService(knowledge.database, WordEmbedder("local/all-MiniLM-L6-v2"))
            await local.create_article(knowledge.admin, ArticleDraft("Refunds", "A refund takes five days."))
            assert await programs.uses_local_vectors(postgres.system_url)
        await connection.execute("UPDATE knowledge_embedders SET status = 'ready' WHERE name LIKE 'local/%'")
        assert not await programs.uses_local_vectors(postgres.system_url)
    finally:
        await connection.close()
    assert not await programs.uses_local_vectors("postgresql://deskwire_system@127.0.0.1:1/none")
