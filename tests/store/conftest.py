"""Connections to the test database as each of its roles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from deskwire_server.tenants import admin as tenants
from tests.support.postgres import TestPostgres
from tests.support.server import new_tenant

Connection = Any  # asyncpg has no types


@dataclass(frozen=True, slots=True)
class Roles:
    """One connection as each role."""

    owner: Connection
    app: Connection
    system: Connection
    superuser: Connection


@pytest.fixture
async def roles(postgres: TestPostgres) -> AsyncIterator[Roles]:
    """Connections to the database of the service, the superuser's too."""
    superuser_url = postgres.superuser_url.rpartition("/")[0] + "/deskwire"
    async with AsyncExitStack() as stack:
        made = []
        for url in (postgres.owner_url, postgres.app_url, postgres.system_url, superuser_url):
            connection = await asyncpg.connect(url)
            stack.push_async_callback(connection.close)
            made.append(connection)
        yield Roles(*made)


@pytest.fixture
async def tenant_id(postgres: TestPostgres, roles: Roles) -> AsyncIterator[UUID]:
    """A tenant of this test's own, gone after it: a turn left behind would be taken over by another test's server."""
    made = (await tenants.create(postgres.owner_url, new_tenant())).id
    yield made
    await roles.superuser.execute("DELETE FROM tenants WHERE id = $1", made)


@pytest.fixture
async def other_tenant_id(postgres: TestPostgres) -> UUID:
    """A second one, in which nothing is."""
    return (await tenants.create(postgres.owner_url, new_tenant())).id
