"""Fixtures that every level shares."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.database import migrated_postgres
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server, make_settings, new_tenant, running_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestPostgres]:
    """A real PostgreSQL with the newest schema."""
    with migrated_postgres() as server:
        yield server


@pytest.fixture
def provider() -> ScriptedProvider:
    """The provider of `server`."""
    return ScriptedProvider()


@pytest.fixture
async def server(postgres: TestPostgres, provider: ScriptedProvider) -> AsyncIterator[Server]:
    """A real worker that answers by the scripted provider."""
    async with running_server(make_settings(postgres), provider=provider) as running:
        yield running


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own."""
    return new_tenant()


@pytest.fixture
def ana(server: Server, tenant: str) -> Client:
    """A user."""
    return server.client(tenant=tenant, user="ana")


@pytest.fixture
def admin(server: Server, tenant: str) -> Client:
    """An administrator of the same tenant."""
    return server.client(tenant=tenant, user="cleo", role="admin")
