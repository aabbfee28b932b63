"""Trainings and heads on a real Postgres: who may take a training, who answers, and what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from deskwire_server.db.engine import Database
from deskwire_server.errors import AlreadyExists
from deskwire_server.intents import store, training_store
from deskwire_server.intents.models import IntentDraft, TrainingState
from deskwire_server.intents.training_store import StoredHead
from tests.store.conftest import Roles
from tests.support.postgres import TestPostgres

LEASE, ATTEMPTS = 15.0, 3


@pytest.fixture
async def database(postgres: TestPostgres) -> AsyncIterator[Database]:
    made = Database(postgres.app_url)
    yield made
    await made.close()


async def queue(database: Database, tenant_id: UUID) -> UUID:
    async with database.transaction(tenant_id) as connection:
        return await training_store.queue(connection, tenant_id)


async def claim(database: Database, tenant_id: UUID, training_id: UUID, lease: float = LEASE) -> int | None:
    async with database.transaction(tenant_id) as connection:
        return await training_store.claim(connection, training_id, uuid4(), lease=lease, attempts=ATTEMPTS)


async def succeed(database: Database, tenant_id: UUID, training_id: UUID, attempt: int) -> bool:
    head = StoredHead(training_id, "test", b"head", {})
    async with database.transaction(tenant_id) as connection:
        return await training_store.succeed(connection, tenant_id, attempt, head, {"accuracy": 1})


async def test_one_training_waits_and_one_runs(database: Database, tenant_id: UUID) -> None:
    first = await queue(database, tenant_id)
    assert await queue(database, tenant_id) == first
    assert await claim(database, tenant_id, first) == 1
    assert await claim(database, tenant_id, first) is None
    second = await queue(database, tenant_id)
    assert second != first
    assert await claim(database, tenant_id, second) is None
    assert await succeed(database, tenant_id, first, 1)
    assert await claim(database, tenant_id, second) == 1


async def test_a_lost_training_is_taken_over_and_its_first_worker_is_too_late(
    database: Database, tenant_id: UUID
) -> None:
    training = await queue(database, tenant_id)
    assert await claim(database, tenant_id, training, lease=-1) == 1
    assert await claim(database, tenant_id, training) == 2
    async with database.transaction(tenant_id) as connection:
        kept = await training_store.keep(connection, training, 1, progress=0.5, step="late", lease=LEASE)
    assert not kept
    assert not await succeed(database, tenant_id, training, 1)
    assert await succeed(database, tenant_id, training, 2)


async def test_a_training_that_is_lost_too_often_has_failed(database: Database, tenant_id: UUID) -> None:
    training = await queue(database, tenant_id)
    for attempt in range(1, ATTEMPTS + 1):
        assert await claim(database, tenant_id, training, lease=-1) == attempt
    assert await claim(database, tenant_id, training) is None
    async with database.transaction(tenant_id) as connection:
        found = await training_store.find(connection, training)
    assert found is not None
    assert found.state is TrainingState.FAILED
    assert found.error


async def test_workers_see_runnable_trainings_of_every_tenant(
    database: Database, roles: Roles, tenant_id: UUID
) -> None:
    training = await queue(database, tenant_id)
    query = "SELECT lease_until FROM runnable_trainings WHERE training_id = $1"
    assert await roles.system.fetchval(query, training) is None
    await claim(database, tenant_id, training)
    assert await roles.system.fetchval(query, training) is not None
    await succeed(database, tenant_id, training, 1)
    assert await roles.system.fetch(query, training) == []


async def test_the_latest_head_answers_and_three_are_kept(database: Database, tenant_id: UUID) -> None:
    trainings = []
    for _ in range(4):
        trainings.append(await queue(database, tenant_id))
        await claim(database, tenant_id, trainings[-1])
        await succeed(database, tenant_id, trainings[-1], 1)
    async with database.transaction(tenant_id) as connection:
        assert await training_store.active_id(connection) == trainings[-1]
        latest = await training_store.find(connection, None)
        oldest = await training_store.find(connection, trainings[0])
        assert latest is not None
        assert latest.active
        assert oldest is not None
        assert not oldest.active
        assert await training_store.read_head(connection, trainings[0]) is None
        stored = await training_store.read_head(connection, trainings[-1])
    assert stored is not None
    assert stored.data == b"head"


async def test_vectors_are_kept_by_hash_and_forgotten_when_unused(database: Database, tenant_id: UUID) -> None:
    async with database.transaction(tenant_id) as connection:
        await training_store.keep_vectors(connection, tenant_id, "e", {b"a": b"1", b"b": b"2"})
        await training_store.keep_vectors(connection, tenant_id, "old", {b"a": b"0"})
        assert await training_store.vectors(connection, "e", [b"a", b"c"]) == {b"a": b"1"}
        await training_store.drop_vectors(connection, "e", [b"b"])
        assert await training_store.vectors(connection, "e", [b"a", b"b"]) == {b"b": b"2"}
        assert await training_store.vectors(connection, "old", [b"a"]) == {}


async def test_pages_with_examples_end_early_and_names_are_unique(database: Database, tenant_id: UUID) -> None:
    many = tuple(f"example {number}" for number in range(6_000))
    async with database.transaction(tenant_id) as connection:
        for name in ("a", "b", "c"):
            await store.insert(connection, tenant_id, IntentDraft(name, examples=many))
        with pytest.raises(AlreadyExists):
            await store.insert(connection, tenant_id, IntentDraft("a"))
        names: list[str] = []
        after: str | None = None
        sizes = []
        while True:
            page = await store.page(connection, after=after, limit=10, with_examples=True)
            names += [intent.name for intent in page.intents]
            sizes.append(len(page.intents))
            after = page.following
            if after is None:
                break
        assert names == ["a", "b", "c"]
        assert sizes == [2, 1]
        whole = await store.page(connection, after=None, limit=2, with_examples=False)
        assert [intent.example_count for intent in whole.intents] == [6_000, 6_000]
        assert (whole.following, whole.total) == ("b", 3)
