"""New connections of the hot path know the statements of a turn before anybody waits for them."""

from __future__ import annotations

from uuid import UUID, uuid4

from deskwire_server.db.engine import Database
from deskwire_server.turns.store import TurnStore
from tests.store.conftest import Roles
from tests.support.postgres import TestPostgres

_KEPT = "SELECT sum(generic_plans) FROM pg_prepared_statements WHERE statement LIKE '%turn_begin(%'"
_LEFT = "SELECT count(*) FROM tenants WHERE slug LIKE 'rehearsal-%'"


async def test_statements_are_planned_ahead_and_leave_nothing(postgres: TestPostgres, roles: Roles) -> None:
    database = Database(postgres.app_url, pool_size=2)
    TurnStore(database, uuid4())
    try:
        row = await database.fetchrow(f"SELECT ({_KEPT}) AS kept")
        assert row is not None
        assert row["kept"] >= 1
        assert await roles.superuser.fetchval(_LEFT) == 0
    finally:
        await database.close()


async def test_a_rehearsal_that_postgres_refuses_costs_no_connection(postgres: TestPostgres, tenant_id: UUID) -> None:
    database = Database(postgres.app_url, pool_size=2)

    async def refused(connection: object) -> None:
        await connection.execute("SELECT * FROM no_such_table")  # type: ignore[attr-defined]

    database.rehearse(refused)
    store = TurnStore(database, uuid4())
    try:
        assert await store.events_after(tenant_id, uuid4(), 0) == []
    finally:
        await database.close()
