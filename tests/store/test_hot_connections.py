"""Connections of the hot path rest at hand between statements, and nobody waits in vain for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from deskwire_server.db import urls
from deskwire_server.db.door import Door
from deskwire_server.db.engine import Database, is_unreachable
from deskwire_server.db.hot_pool import HotPool
from tests.store.conftest import Roles
from tests.support.postgres import TestPostgres


@pytest.fixture
async def database(postgres: TestPostgres) -> AsyncIterator[Database]:
    """Two connections at most."""
    made = Database(postgres.app_url, pool_size=2)
    yield made
    await made.close()


async def backends(database: Database, count: int) -> set[int]:
    rows = await asyncio.gather(
        *(database.fetchrow("SELECT pg_backend_pid() AS pid, pg_sleep(0.01)") for _ in range(count))
    )
    return {row["pid"] for row in rows if row is not None}


async def test_many_at_once_share_few(database: Database, tenant_id: UUID) -> None:
    async with asyncio.timeout(10):
        found = await backends(database, 40)
        assert len(found) == 2
        assert await backends(database, 1) <= found

        async def read() -> None:
            async with database.reading(tenant_id) as connection:
                await connection.fetchval("SELECT 1")

        # Those that only read stand in the same line.
        _, *_ = await asyncio.gather(backends(database, 40), *(read() for _ in range(20)))


async def test_one_that_was_lost_is_replaced(database: Database, roles: Roles) -> None:
    for pid in await backends(database, 4):
        assert await roles.superuser.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert len(await backends(database, 8)) == 2


async def test_what_failed_or_was_stopped_leaves_nothing_behind(database: Database) -> None:
    for _ in range(3):
        with pytest.raises(asyncpg.PostgresError):
            await database.fetchrow("SELECT 1 / 0")
        stopped = asyncio.create_task(database.fetchrow("SELECT pg_sleep(10)"))
        await asyncio.sleep(0.05)
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
    async with asyncio.timeout(10):
        row = await database.fetchrow("SELECT count(*) AS many FROM generate_series(1, 3)")
        assert row is not None
        assert row["many"] == 3
        assert len(await backends(database, 8)) == 2


async def test_who_leaves_the_line_takes_nothing_along(postgres: TestPostgres) -> None:
    pool = HotPool(urls.for_asyncpg(postgres.app_url), Door(is_unreachable), 2)
    first, second = await pool.take(), await pool.take()
    leaving, staying = (asyncio.create_task(pool.take()) for _ in range(2))
    await asyncio.sleep(0)
    await pool.give_back(first, sound=True)
    # It was handed on to one who goes in the same moment.
    leaving.cancel()
    async with asyncio.timeout(5):
        assert await staying is first
    gone = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(leaving, gone, return_exceptions=True)
    await pool.give_back(second, sound=True)
    async with asyncio.timeout(5):
        assert await pool.take() is second
    await pool.close()


async def test_who_waits_is_told_of_a_loss_and_of_the_end(postgres: TestPostgres) -> None:
    pool = HotPool(urls.for_asyncpg(postgres.app_url), Door(is_unreachable), 1)
    lost = await pool.take()
    waiting = [asyncio.create_task(pool.take()) for _ in range(2)]
    await asyncio.sleep(0)
    lost.terminate()
    await pool.give_back(lost, sound=False)
    async with asyncio.timeout(5):
        renewed = await waiting[0]
    assert await renewed.fetchval("SELECT 1") == 1
    assert not waiting[1].done()
    await pool.close()
    with pytest.raises(asyncpg.InterfaceError):
        await waiting[1]
