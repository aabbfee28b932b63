"""What calls for titles and summaries cost is kept once, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from deskwire_server.db.engine import Database, DatabaseUnavailable
from deskwire_server.jobs.models import Work
from deskwire_server.summaries import counting
from deskwire_server.summaries.counting import Counting
from tests.store.conftest import Roles
from tests.store.turns import accept
from tests.support.postgres import TestPostgres

SPENT = {"provider": "openai", "model": "m", "input_tokens": 7, "output_tokens": 3, "cached_input_tokens": 0}


class Flaky(Database):
    """A database that is away for some transactions, or whose answers to them are lost."""

    away = 0
    deaf = 0
    tries = 0

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID) -> AsyncIterator[Any]:
        self.tries += 1
        if self.away:
            self.away -= 1
            raise DatabaseUnavailable
        async with super().transaction(tenant_id) as connection:
            yield connection
        if self.deaf:
            self.deaf -= 1
            raise DatabaseUnavailable


@pytest.fixture
async def database(postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Flaky]:
    monkeypatch.setattr(counting, "_FIRST_PAUSE", 0.01)
    database = Flaky(postgres.app_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
async def work(roles: Roles, tenant_id: UUID) -> Work:
    row = await accept(roles.app, tenant_id)
    return Work(tenant_id, row["conversation_id"], row["turn_id"])


async def rows(roles: Roles, work: Work) -> int:
    return int(await roles.superuser.fetchval("SELECT count(*) FROM usage WHERE turn_id = $1", work.turn_id))


async def test_it_is_kept_once_when_answers_are_lost(database: Flaky, work: Work, roles: Roles) -> None:
    database.deaf = 3
    await Counting(database).keep(work, SPENT)
    assert database.tries == 4
    assert await rows(roles, work) == 1


async def test_it_outlives_an_outage_and_the_job(database: Flaky, work: Work, roles: Roles) -> None:
    database.away = 4
    kept = Counting(database)
    job = asyncio.create_task(kept.keep(work, SPENT))
    await asyncio.sleep(0)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert await rows(roles, work) == 0
    await kept.close()
    assert await rows(roles, work) == 1


async def test_two_calls_are_two_rows(database: Flaky, work: Work, roles: Roles) -> None:
    kept = Counting(database)
    await asyncio.gather(kept.keep(work, SPENT), kept.keep(work, SPENT))
    assert await rows(roles, work) == 2


async def test_an_outage_without_end_is_given_up(database: Flaky, work: Work, roles: Roles) -> None:
    database.away = 10_000
    await Counting(database, patience=0.05).keep(work, SPENT)
    assert await rows(roles, work) == 0
    kept = Counting(database)
    job = asyncio.create_task(kept.keep(work, SPENT))
    await asyncio.sleep(0)
    await kept.close()
    await asyncio.gather(job, return_exceptions=True)
