"""The events of a tenant come in an order that is safe under concurrent commits: each once, none left out."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from deskwire_server.analytics import store
from deskwire_server.analytics.models import BEGINNING, Place, TenantEvent
from deskwire_server.db.engine import Database
from tests.store.conftest import Roles
from tests.store.turns import accept
from tests.support.postgres import TestPostgres

Seen = tuple[UUID, int]


@pytest.fixture
async def database(postgres: TestPostgres) -> AsyncIterator[Database]:
    made = Database(postgres.app_url, pool_size=2)
    yield made
    await made.close()


async def conversation(connection: Any, tenant: UUID) -> UUID:
    """A conversation without events."""
    async with connection.transaction():
        await connection.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(tenant))
        made: UUID = await connection.fetchval(
            "INSERT INTO conversations (tenant_id, user_id) VALUES ($1, 'ana') RETURNING id", tenant
        )
    return made


async def append(connection: Any, tenant: UUID, talk: UUID, kind: str = "turn_started") -> None:
    await connection.execute("SELECT event_append($1, $2, NULL, $3, '{}')", tenant, talk, kind)


async def begun(connection: Any, tenant: UUID) -> Any:
    """A transaction of a tenant, under way."""
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(tenant))
    return transaction


async def read_on(
    database: Database, tenant: UUID, place: Place, *, limit: int = 50, kinds: tuple[str, ...] = ()
) -> tuple[list[TenantEvent], Place]:
    """Everything behind a place that is settled."""
    found: list[TenantEvent] = []
    while True:
        page = await store.events_page(database, tenant, place, kinds, limit)
        found += page.events
        place = page.reached
        if not page.is_full:
            return found, place


def ids(events: list[TenantEvent]) -> list[Seen]:
    return [(event.conversation_id, event.event.sequence) for event in events]  # type: ignore[union-attr, misc]


async def test_events_of_many_conversations_in_pages(roles: Roles, database: Database, tenant_id: UUID) -> None:
    for _ in range(4):
        await accept(roles.app, tenant_id)
    events, place = await read_on(database, tenant_id, BEGINNING, limit=3)
    assert [event.event.kind for event in events] == ["message_accepted"] * 4  # type: ignore[union-attr]
    assert {event.user_id for event in events} == {"ana"}
    assert (await read_on(database, tenant_id, place))[0] == []
    again, _ = await read_on(database, tenant_id, events[1].place)
    assert ids(again) == ids(events)[2:]
    assert ids((await read_on(database, tenant_id, BEGINNING, kinds=("turn_failed",)))[0]) == []


async def test_nothing_is_given_that_a_running_transaction_could_precede(
    roles: Roles, postgres: TestPostgres, database: Database, tenant_id: UUID
) -> None:
    slow, quick = await conversation(roles.app, tenant_id), await conversation(roles.app, tenant_id)
    other = await asyncpg.connect(postgres.app_url)
    _, place = await read_on(database, tenant_id, BEGINNING)
    held = await begun(roles.app, tenant_id)
    await append(roles.app, tenant_id, slow)
    done = await begun(other, tenant_id)
    await append(other, tenant_id, quick)
    await done.commit()

    early, place = await read_on(database, tenant_id, place)
    assert early == []
    await held.commit()
    late, _ = await read_on(database, tenant_id, place)
    assert ids(late) == [(slow, 1), (quick, 1)]
    await other.close()


async def test_the_events_of_a_conversation_keep_their_order_whoever_began_first(
    roles: Roles, postgres: TestPostgres, database: Database, tenant_id: UUID
) -> None:
    talk = await conversation(roles.app, tenant_id)
    other = await asyncpg.connect(postgres.app_url)
    first = await begun(roles.app, tenant_id)
    await roles.app.execute("SELECT pg_current_xact_id()")
    second = await begun(other, tenant_id)
    await append(other, tenant_id, talk)
    await second.commit()
    await append(roles.app, tenant_id, talk)
    await first.commit()
    events, _ = await read_on(database, tenant_id, BEGINNING)
    assert ids(events) == [(talk, 1), (talk, 2)]
    await other.close()


async def writer(url: str, tenant: UUID, talks: list[UUID], rounds: int, chance: random.Random) -> None:
    """Commits transactions of different lengths, some of them undone, some numbered long before they write."""
    connection = await asyncpg.connect(url)
    for _ in range(rounds):
        transaction = await begun(connection, tenant)
        if chance.random() < 0.3:
            await connection.execute("SELECT pg_current_xact_id()")
            await asyncio.sleep(chance.random() * 0.02)
        # In the order of their ids, so that no two writers wait for each other.
        for talk in sorted(chance.sample(talks, chance.randint(1, 2))):
            await append(connection, tenant, talk)
            await asyncio.sleep(chance.choice((0, 0, 0.005)))
        await (transaction.rollback() if chance.random() < 0.1 else transaction.commit())
    await connection.close()


async def reader(
    database: Database, tenant: UUID, is_over: Callable[[], bool], chance: random.Random
) -> list[TenantEvent]:
    """Reads while others write. It forgets what it read of a page behind a random event, as a client that is cut off
    does, and resumes from the last cursor that it kept."""
    kept: list[TenantEvent] = []
    place = BEGINNING
    while True:
        last_round = is_over()
        page = await store.events_page(database, tenant, place, (), chance.randint(1, 30))
        events = list(page.events)
        if events and chance.random() < 0.5:
            events = events[: chance.randint(0, len(events) - 1)]
            place = events[-1].place if events else place
            last_round = False
        else:
            place = page.reached
        kept += events
        if last_round and not page.is_full and not events:
            return kept


async def test_each_event_once_and_none_left_out_among_many_writers(
    roles: Roles, postgres: TestPostgres, database: Database, tenant_id: UUID
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    talks = [await conversation(roles.app, tenant_id) for _ in range(6)]
    writing = [
        asyncio.create_task(writer(postgres.app_url, tenant_id, talks, 60, random.Random(chance.random())))
        for _ in range(8)
    ]
    over = False
    reading = [
        asyncio.create_task(reader(database, tenant_id, lambda: over, random.Random(chance.random()))) for _ in range(3)
    ]
    # One that runs all the while, and writes at the end.
    long_one = await begun(roles.app, tenant_id)
    await roles.app.execute("SELECT pg_current_xact_id()")
    await asyncio.sleep(0.3)
    await append(roles.app, tenant_id, talks[0])
    await long_one.commit()
    await asyncio.gather(*writing)
    over = True
    seen = await asyncio.gather(*reading)

    committed = {
        (row["conversation_id"], row["sequence"])
        for row in await roles.superuser.fetch(
            "SELECT conversation_id, sequence FROM events WHERE tenant_id = $1", tenant_id
        )
    }
    assert len(committed) > 400
    for events in seen:
        found = ids(events)
        assert len(found) == len(set(found))
        assert set(found) == committed
        by_talk: dict[UUID, list[int]] = defaultdict(list)
        for talk, sequence in found:
            by_talk[talk].append(sequence)
        assert all(sequences == list(range(1, len(sequences) + 1)) for sequences in by_talk.values())
    assert ids(seen[0]) == ids(seen[1]) == ids(seen[2])


async def test_a_cursor_before_removed_events_is_told_so(roles: Roles, database: Database, tenant_id: UUID) -> None:
    talk = await conversation(roles.app, tenant_id)
    gone = await conversation(roles.app, tenant_id)
    for where in (talk, talk, talk, gone):
        transaction = await begun(roles.app, tenant_id)
        await append(roles.app, tenant_id, where)
        await transaction.commit()
    events, end = await read_on(database, tenant_id, BEGINNING)
    transaction = await begun(roles.app, tenant_id)
    await roles.app.execute("DELETE FROM events WHERE conversation_id = $1 AND sequence <= 2", talk)
    await roles.app.execute("DELETE FROM conversations WHERE id = $1", gone)
    await transaction.commit()

    async def expired(place: Place) -> bool:
        return (await store.events_page(database, tenant_id, place, (), 10)).is_expired

    assert await expired(BEGINNING)
    assert await expired(events[0].place)
    assert not await expired(events[1].place)
    assert not await expired(end)


async def test_another_tenants_events_are_not_there(
    roles: Roles, database: Database, tenant_id: UUID, other_tenant_id: UUID
) -> None:
    await accept(roles.app, tenant_id)
    assert (await read_on(database, other_tenant_id, BEGINNING))[0] == []


async def test_a_place_of_another_database_is_ahead(database: Database, tenant_id: UUID) -> None:
    page = await store.events_page(database, tenant_id, Place(2**60, uuid4(), 1), (), 10)
    assert page.is_ahead
    assert not (await store.events_page(database, tenant_id, page.reached, (), 10)).is_expired


async def test_a_restored_database_gives_its_events_again(roles: Roles, database: Database, tenant_id: UUID) -> None:
    talk = await conversation(roles.app, tenant_id)
    for number in (2**40, 2**40 + 1):
        transaction = await begun(roles.app, tenant_id)
        await append(roles.app, tenant_id, talk)
        await roles.app.execute(
            "UPDATE events SET transaction_id = $2::text::xid8 WHERE conversation_id = $1 "
            "AND sequence = (SELECT max(sequence) FROM events WHERE conversation_id = $1)", talk, str(number),
        )  # fmt: skip
        await transaction.commit()
    assert (await read_on(database, tenant_id, BEGINNING))[0] == []
    await roles.owner.execute("SELECT events_after_restore()")
    assert ids((await read_on(database, tenant_id, BEGINNING))[0]) == [(talk, 1), (talk, 2)]
    forced = await roles.superuser.fetch(
        "SELECT relforcerowsecurity FROM pg_class WHERE relname IN ('events', 'removed_events')"
    )
    assert all(row["relforcerowsecurity"] for row in forced)
