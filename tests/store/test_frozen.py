"""A Postgres that stands still, or a worker that does, keeps nobody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from benchmarks.chaos.links import Link
from deskwire_server.db import engine
from deskwire_server.db.engine import Database, DatabaseUnavailable
from deskwire_server.db.system import SystemDatabase
from tests.support.postgres import TestPostgres


@pytest.fixture
async def link(postgres: TestPostgres) -> AsyncIterator[Link]:
    """The way to Postgres, which can be silenced: nothing passes, and nobody is told."""
    port = make_url(postgres.app_url).port
    assert port is not None
    made = Link("postgres", port)
    await made.open()
    yield made
    made.resume()
    made.close()
    await asyncio.sleep(0)


def through(link: Link, url: str) -> str:
    return make_url(url).set(host="127.0.0.1", port=link.port).render_as_string(hide_password=False)


async def test_who_is_stopped_does_not_wait_for_its_word(link: Link, postgres: TestPostgres, tenant_id: UUID) -> None:
    database = Database(through(link, postgres.app_url), pool_size=4)
    system = SystemDatabase(through(link, postgres.system_url))

    async def read() -> None:
        async with database.reading(tenant_id) as connection:
            await connection.fetchval("SELECT pg_sleep(60)")

    async def write() -> None:
        async with database.transaction(tenant_id) as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))

    await system.fetch("SELECT 1")
    tasks = [
        asyncio.create_task(work)
        for work in (database.fetchrow("SELECT pg_sleep(60)"), read(), write(), system.fetch("SELECT pg_sleep(60)"))
    ]
    await asyncio.sleep(0.5)
    link.silence()
    began = time.monotonic()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await database.close()
    await system.close()
    # SQLAlchemy gives each connection two seconds to say goodbye.
    assert time.monotonic() - began < 5.0


async def test_it_is_left_without_a_word_where_it_says_none(link: Link, postgres: TestPostgres) -> None:
    database = Database(through(link, postgres.app_url), pool_size=4)
    async with database.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    await database.fetchrow("SELECT 1")
    link.silence()
    began = time.monotonic()
    await database.close()
    assert time.monotonic() - began < 3.0


async def test_one_that_stands_still_in_a_transaction_loses_it(
    monkeypatch: pytest.MonkeyPatch, postgres: TestPostgres, tenant_id: UUID
) -> None:
    monkeypatch.setattr(engine, "SESSION", {"idle_in_transaction_session_timeout": "300ms"})
    still, other = Database(postgres.app_url, pool_size=1), Database(postgres.app_url, pool_size=1)
    lock = text("SELECT pg_advisory_xact_lock(4711)")

    async def stand_still() -> None:
        async with still.transaction(tenant_id) as held:
            await held.execute(lock)
            async with asyncio.timeout(5), other.transaction(tenant_id) as connection:
                await connection.execute(lock)
            await held.execute(text("SELECT 1"))

    try:
        with pytest.raises(DatabaseUnavailable):
            await stand_still()
        async with still.transaction(tenant_id) as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
    finally:
        await still.close()
        await other.close()
