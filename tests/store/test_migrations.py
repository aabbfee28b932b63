"""The schema comes into being from nothing, once, however many ask for it at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from deskwire_server.db import migrate
from tests.store.conftest import Roles
from tests.support.postgres import TestPostgres

_OBJECTS = """
    SELECT 'table', c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')
    UNION ALL SELECT 'function', p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    UNION ALL SELECT 'policy', polname || ' ' || polrelid::regclass FROM pg_policy ORDER BY 1, 2
"""


@pytest.fixture
async def empty(postgres: TestPostgres, roles: Roles) -> AsyncIterator[str]:
    """Owner's address of a database in which nothing is."""
    name = f"empty_{uuid4().hex[:8]}"
    maintenance = await asyncpg.connect(postgres.superuser_url)
    try:
        await maintenance.execute(f"CREATE DATABASE {name} OWNER deskwire_owner")
        inside = await asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + f"/{name}")
        await inside.execute("CREATE EXTENSION vector; ALTER SCHEMA public OWNER TO deskwire_owner")
        await inside.close()
        yield postgres.owner_url.rpartition("/")[0] + f"/{name}"
    finally:
        await maintenance.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await maintenance.close()


async def objects(url: str) -> list[tuple[str, str]]:
    connection = await asyncpg.connect(url)
    try:
        return [(row[0], row[1]) for row in await connection.fetch(_OBJECTS)]
    finally:
        await connection.close()


async def test_from_nothing_and_again(empty: str, postgres: TestPostgres) -> None:
    assert await migrate.current(empty) is None
    assert not await migrate.is_current(empty)
    await migrate.upgrade(empty)
    assert await migrate.current(empty) == migrate.head()
    made = await objects(empty)
    await migrate.upgrade(empty)
    await asyncio.to_thread(migrate.upgrade_blocking, empty)

    assert await objects(empty) == made
    assert made == await objects(postgres.owner_url)


async def test_replicas_that_start_together_take_turns(empty: str) -> None:
    script = "import sys; from deskwire_server.db.migrate import upgrade_blocking; upgrade_blocking(sys.argv[1])"
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", script, empty, stderr=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    for process in started:
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
    assert await migrate.is_current(empty)


async def test_a_migration_that_breaks_leaves_nothing(empty: str) -> None:
    connection = await asyncpg.connect(empty)
    await connection.execute("CREATE TABLE revoked_tokens (in_the_way int)")
    with pytest.raises(Exception, match="revoked_tokens"):
        await migrate.upgrade(empty)
    tables = await connection.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname IN "
                                    "('tenants', 'conversations', 'alembic_version')")  # fmt: skip
    assert not tables
    await connection.execute("DROP TABLE revoked_tokens")
    await connection.close()
    await migrate.upgrade(empty)
    assert await migrate.is_current(empty)


async def test_the_application_sees_the_version(postgres: TestPostgres) -> None:
    assert await migrate.current(postgres.app_url) == migrate.head()
    assert await migrate.current(postgres.system_url) == migrate.head()
