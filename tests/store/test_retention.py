"""Events and request ids go when they have been kept long enough; messages stay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from deskwire_server.db.retention import Retention, Swept
from deskwire_server.db.system import SystemDatabase
from tests.store.conftest import Roles
from tests.store.turns import accept, claim, finish
from tests.support.postgres import TestPostgres

WORKER = uuid4()


@pytest.fixture
async def system(postgres: TestPostgres) -> AsyncIterator[SystemDatabase]:
    database = SystemDatabase(postgres.system_url)
    yield database
    await database.close()


async def a_turn(roles: Roles, tenant_id: UUID, request_id: str, conversation: UUID | None = None) -> tuple[UUID, UUID]:
    accepted = await accept(roles.app, tenant_id, request_id=request_id, conversation=conversation)
    await claim(roles.app, tenant_id, accepted["turn_id"], WORKER)
    await finish(roles.app, tenant_id, accepted["turn_id"], WORKER, 1)
    return accepted["conversation_id"], accepted["turn_id"]


async def age(roles: Roles, tenant_id: UUID, hours: float) -> None:
    """Everything of a tenant becomes older."""
    for table, column in (("events", "created_at"), ("turns", "finished_at"), ("requests", "created_at")):
        await roles.superuser.execute(
            f"UPDATE {table} SET {column} = {column} - $2 * interval '1 hour' WHERE tenant_id = $1", tenant_id, hours
        )


async def kept(roles: Roles, conversation: UUID) -> tuple[list[int], int, int]:
    """Sequences of the events, the earliest that the conversation claims, and the number of its messages."""
    rows = await roles.superuser.fetch(
        "SELECT sequence FROM events WHERE conversation_id = $1 ORDER BY sequence", conversation
    )
    earliest = await roles.superuser.fetchval("SELECT earliest_sequence FROM conversations WHERE id = $1", conversation)
    messages = await roles.superuser.fetchval("SELECT count(*) FROM messages WHERE conversation_id = $1", conversation)
    return [row["sequence"] for row in rows], earliest, messages


async def test_old_events_go_from_the_front_and_messages_stay(
    roles: Roles, system: SystemDatabase, tenant_id: UUID
) -> None:
    talk, _ = await a_turn(roles, tenant_id, "one")
    quiet, _ = await a_turn(roles, tenant_id, "quiet")
    await age(roles, tenant_id, 49)
    await a_turn(roles, tenant_id, "two", talk)
    assert (await Retention(system, event_days=2, request_hours=24).sweep()).events >= 6

    assert await kept(roles, talk) == ([4, 5, 6], 4, 4)
    assert await kept(roles, quiet) == ([], 4, 2)


async def test_nothing_goes_that_may_be_asked_for_again(roles: Roles, system: SystemDatabase, tenant_id: UUID) -> None:
    """A repeat of a request id must find the events of its turn; so must one whose turn still runs."""
    talk, _ = await a_turn(roles, tenant_id, "one")
    await age(roles, tenant_id, 12)
    await Retention(system, event_days=0.1, request_hours=24).sweep()
    assert await kept(roles, talk) == ([1, 2, 3], 1, 2)
    running = await accept(roles.app, tenant_id, conversation=talk, request_id="running")
    await age(roles, tenant_id, 100)
    await Retention(system, event_days=0.1, request_hours=24).sweep()
    assert await kept(roles, talk) == ([4], 4, 3)
    assert (await accept(roles.app, tenant_id, conversation=talk, request_id="running"))["turn_id"] == running[
        "turn_id"
    ]


async def test_events_may_be_kept_for_ever(roles: Roles, system: SystemDatabase, tenant_id: UUID) -> None:
    talk, _ = await a_turn(roles, tenant_id, "one")
    await age(roles, tenant_id, 24 * 400)
    await Retention(system, event_days=0, request_hours=24).sweep()
    assert await kept(roles, talk) == ([1, 2, 3], 1, 2)


async def test_a_request_id_is_free_again_after_its_time(roles: Roles, system: SystemDatabase, tenant_id: UUID) -> None:
    talk, first = await a_turn(roles, tenant_id, "again")
    sweeping = Retention(system, event_days=30, request_hours=24)
    await age(roles, tenant_id, 23)
    await sweeping.sweep()
    assert (await accept(roles.app, tenant_id, conversation=talk, request_id="again"))["turn_id"] == first
    await roles.superuser.execute(
        "INSERT INTO requests (tenant_id, user_id, method, request_id, request_hash) VALUES ($1, 'ana', 'm', 'r', '')",
        tenant_id,
    )
    await age(roles, tenant_id, 25)
    await sweeping.sweep()
    second = await accept(roles.app, tenant_id, conversation=talk, request_id="again")
    assert (second["outcome"], second["turn_id"] != first) == ("accepted", True)
    assert await roles.superuser.fetchval("SELECT count(*) FROM requests WHERE tenant_id = $1", tenant_id) == 0


async def test_one_sweep_at_a_time_and_for_the_system_role_alone(
    roles: Roles, system: SystemDatabase, tenant_id: UUID
) -> None:
    talk, _ = await a_turn(roles, tenant_id, "one")
    await age(roles, tenant_id, 1_000)
    async with roles.superuser.transaction():
        await roles.superuser.execute("SELECT pg_advisory_xact_lock(7306365126934490704)")
        assert await Retention(system, event_days=1, request_hours=24).sweep() == Swept()
    assert (await kept(roles, talk))[0] == [1, 2, 3]
    with pytest.raises(Exception, match="permission denied"):
        await roles.app.fetch("SELECT retention_sweep($1, interval '0', interval '0', 1)", tenant_id)
