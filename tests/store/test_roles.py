"""The three database roles and row-level security, on a real PostgreSQL."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest

from deskwire_server.db.engine import check_role
from tests.store.conftest import Roles
from tests.store.turns import accept, claim, finish
from tests.support.postgres import TestPostgres

Denied = asyncpg.InsufficientPrivilegeError
TENANT_TABLES = """
    SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 2
"""
OPEN_TABLES = {"alembic_version", "workers"}
"""Tables that hold nothing of a tenant."""
SYSTEM_SEES = {
    "runnable_turns": "SELECT",
    "workers": "SELECT",
    "revoked_tokens": "SELECT",
    "alembic_version": "SELECT",
    "knowledge_embedders": "SELECT",
    "runnable_trainings": "SELECT",
    "source_syncs": "SELECT",
}


async def tenant_tables(roles: Roles) -> list[asyncpg.Record]:
    return list(await roles.superuser.fetch(TENANT_TABLES))


async def a_turn(roles: Roles, tenant_id: UUID) -> tuple[UUID, UUID]:
    """A conversation with an answered and a waiting turn; returns it and the waiting turn."""
    worker = uuid4()
    first = await accept(roles.app, tenant_id, worker=worker, session="s")
    await claim(roles.app, tenant_id, first["turn_id"], worker)
    await finish(roles.app, tenant_id, first["turn_id"], worker, 1)
    second = await accept(roles.app, tenant_id, worker=worker, conversation=first["conversation_id"])
    return first["conversation_id"], second["turn_id"]


# What the catalogue must say of every table, also of those to come.


async def test_every_table_belongs_to_a_tenant_or_is_known_to_be_open(roles: Roles) -> None:
    names = await roles.superuser.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'v')"
    )
    tables = {row["relname"] for row in await tenant_tables(roles)}
    assert {row["relname"] for row in names} - tables == OPEN_TABLES | {"tenants"}
    assert len(tables) >= 15


async def test_row_level_security_is_forced_on_every_tenant_table(roles: Roles) -> None:
    for table in await tenant_tables(roles):
        assert table["relrowsecurity"], table["relname"]
        assert table["relforcerowsecurity"], table["relname"]
        policies = await roles.superuser.fetch(
            "SELECT polname, polcmd, polpermissive, polroles::regrole[]::text[] AS roles, "
            "pg_get_expr(polqual, polrelid) AS reads, pg_get_expr(polwithcheck, polrelid) AS writes "
            "FROM pg_policy WHERE polrelid = $1", table["oid"],
        )  # fmt: skip
        by_name = {policy["polname"]: policy for policy in policies}
        bound = by_name.pop("tenant")
        assert bound["polcmd"] == b"*", table["relname"]
        for expression in (bound["reads"], bound["writes"]):
            assert "current_setting('deskwire.tenant_id'" in expression, table["relname"]
            assert "NULLIF" in expression, table["relname"]
        for policy in by_name.values():
            assert policy["roles"] == ["deskwire_system"], f"{table['relname']} is open to {policy['roles']}"
            assert table["relname"] in SYSTEM_SEES


async def test_the_tenant_leads_every_key(roles: Roles) -> None:
    for table in await tenant_tables(roles):
        keys = await roles.superuser.fetch(
            "SELECT i.indisprimary, pg_get_indexdef(i.indexrelid) AS definition, "
            "(SELECT attname FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = i.indkey[0]) AS leads "
            "FROM pg_index i WHERE i.indrelid = $1 AND i.indisunique", table["oid"],
        )  # fmt: skip
        assert any(key["indisprimary"] for key in keys), table["relname"]
        for key in keys:
            assert key["leads"] == "tenant_id", key["definition"]


async def test_foreign_keys_include_the_tenant(roles: Roles) -> None:
    keys = await roles.superuser.fetch("""
        SELECT c.conrelid::regclass::text AS source, c.confrelid::regclass::text AS target, c.conname,
            (SELECT array_agg(a.attname ORDER BY k.ord) FROM unnest(c.conkey) WITH ORDINALITY k(num, ord)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num)::text[] AS columns,
            (SELECT array_agg(a.attname ORDER BY k.ord) FROM unnest(c.confkey) WITH ORDINALITY k(num, ord)
             JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num)::text[] AS targets
        FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
    """)
    assert len(keys) >= 15
    for key in keys:
        wanted = ("tenant_id", "id" if key["target"] == "tenants" else "tenant_id")
        assert wanted in set(zip(key["columns"], key["targets"], strict=True)), dict(key)


async def test_no_function_lends_its_owner_s_rights_without_care(roles: Roles) -> None:
    lent = await roles.superuser.fetch(
        "SELECT proname, proconfig, proacl::text[] AS acl FROM pg_proc "
        "WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    )
    assert {row["proname"] for row in lent} == {
        "tenant_find", "tenant_ensure", "retention_tenants", "retention_sweep", "job_enqueue"
    }  # fmt: skip
    for row in lent:
        assert any(setting.startswith("search_path=pg_catalog") for setting in row["proconfig"])
        assert not any(entry.startswith("=") for entry in row["acl"]), f"{row['proname']} is open to everybody"


async def test_the_roles_have_no_powers(roles: Roles) -> None:
    rows = await roles.superuser.fetch(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles "
        "WHERE rolname = ANY($1)", ["deskwire_app", "deskwire_system"],
    )  # fmt: skip
    assert len(rows) == 2
    for row in rows:
        assert not any(value for key, value in row.items() if key != "rolname"), row["rolname"]
    owned = await roles.superuser.fetch(
        "SELECT relname FROM pg_class WHERE relowner IN ('deskwire_app'::regrole, 'deskwire_system'::regrole)"
    )
    assert not owned


# The application role.


async def test_without_a_tenant_the_application_sees_and_writes_nothing(roles: Roles, tenant_id: UUID) -> None:
    conversation, _ = await a_turn(roles, tenant_id)
    for table in [*(row["relname"] for row in await tenant_tables(roles)), "tenants"]:
        assert await roles.app.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    with pytest.raises(Denied):
        await roles.app.execute("INSERT INTO conversations (tenant_id, user_id) VALUES ($1, 'eve')", tenant_id)
    assert await roles.app.execute("UPDATE conversations SET title = 'x' WHERE id = $1", conversation) == "UPDATE 0"
    assert await roles.app.execute("DELETE FROM conversations WHERE id = $1", conversation) == "DELETE 0"


async def test_the_tenant_of_a_transaction_does_not_outlive_it(roles: Roles, tenant_id: UUID) -> None:
    await a_turn(roles, tenant_id)
    async with roles.app.transaction():
        await roles.app.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(tenant_id))
        assert await roles.app.fetchval("SELECT count(*) FROM conversations") == 1
    assert await roles.app.fetchval("SELECT current_setting('deskwire.tenant_id', true)") == ""
    assert await roles.app.fetchval("SELECT count(*) FROM conversations") == 0


async def test_a_tenant_sees_and_changes_its_own_rows_alone(
    roles: Roles, tenant_id: UUID, other_tenant_id: UUID
) -> None:
    conversation, turn = await a_turn(roles, tenant_id)
    async with roles.app.transaction():
        await roles.app.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(other_tenant_id))
        for table in [row["relname"] for row in await tenant_tables(roles)]:
            seen = await roles.app.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tenant_id)
            assert seen == 0, table
        for statement in (
            "UPDATE conversations SET tenant_id = $2 WHERE id = $1",
            "UPDATE turns SET tenant_id = $2 WHERE conversation_id = $1",
            "DELETE FROM messages WHERE conversation_id = $1 AND tenant_id <> $2",
        ):
            assert (await roles.app.execute(statement, conversation, other_tenant_id)).endswith(" 0"), statement
    async with roles.app.transaction():
        await roles.app.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(other_tenant_id))
        with pytest.raises(Denied):
            async with roles.app.transaction():
                await roles.app.execute("INSERT INTO conversations (tenant_id, user_id) VALUES ($1, 'eve')", tenant_id)
        own = await roles.app.fetchval(
            "INSERT INTO conversations (tenant_id, user_id) VALUES ($1, 'eve') RETURNING id", other_tenant_id
        )
        with pytest.raises(Denied):
            async with roles.app.transaction():
                await roles.app.execute("UPDATE conversations SET tenant_id = $1 WHERE id = $2", tenant_id, own)
        for table, columns, values in (
            ("turns", "conversation_id, id, user_id, request_id, request_hash, state, first_sequence, question_id, "
                      "answer_id", f"'{conversation}', uuidv7(), 'eve', 'r', '', 'queued', 1, uuidv7(), uuidv7()"),
            ("runnable_turns", "turn_id, conversation_id", f"'{turn}', '{conversation}'"),
            ("events", "conversation_id, sequence, kind, payload", f"'{conversation}', 99, 'x', '{{}}'"),
        ):  # fmt: skip
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                async with roles.app.transaction():
                    await roles.app.execute(
                        f"INSERT INTO {table} (tenant_id, {columns}) VALUES ('{other_tenant_id}', {values})"
                    )


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE deskwire_owner",
        "SET SESSION AUTHORIZATION deskwire_owner",
        "SET ROLE deskwire_system",
        "ALTER TABLE conversations DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON conversations",
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT * FROM workers",
        "INSERT INTO tenants (slug, name) VALUES ('eve', 'eve')",
        "UPDATE tenants SET status = 'active'",
        "DELETE FROM tenants",
        "UPDATE alembic_version SET version_num = '9999'",
        "TRUNCATE conversations",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY conversations TO PROGRAM 'cat'",
    ],
)
async def test_what_the_application_may_not_do(roles: Roles, statement: str) -> None:
    with pytest.raises(Denied):
        await roles.app.execute(statement)


async def test_switching_row_security_off_gives_an_error_and_no_rows(roles: Roles, tenant_id: UUID) -> None:
    await a_turn(roles, tenant_id)
    async with roles.app.transaction():
        await roles.app.execute("SET LOCAL row_security = off")
        with pytest.raises(Denied):
            async with roles.app.transaction():
                await roles.app.fetch("SELECT * FROM conversations")


async def test_the_owner_is_bound_as_well(roles: Roles, tenant_id: UUID) -> None:
    await a_turn(roles, tenant_id)
    for table in [row["relname"] for row in await tenant_tables(roles)]:
        assert await roles.owner.fetchval(f"SELECT count(*) FROM {table}") == 0, table


# The system role.


async def test_the_system_role_sees_the_content_free_tables_alone(roles: Roles, tenant_id: UUID) -> None:
    _, turn = await a_turn(roles, tenant_id)
    tables = await roles.superuser.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    for name in (row["relname"] for row in tables):
        if name in SYSTEM_SEES:
            await roles.system.fetch(f"SELECT * FROM {name} LIMIT 1")
            continue
        with pytest.raises(Denied):
            await roles.system.fetch(f"SELECT 1 FROM {name} LIMIT 1")
    waiting = await roles.system.fetch("SELECT * FROM runnable_turns WHERE turn_id = $1", turn)
    assert len(waiting) == 1
    kinds = await roles.superuser.fetch(
        "SELECT DISTINCT data_type FROM information_schema.columns WHERE table_name = ANY($1)",
        ["runnable_turns", "workers"],
    )
    assert {row["data_type"] for row in kinds} <= {"uuid", "integer", "timestamp with time zone"}, "content-free"


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE deskwire_app",
        "SELECT * FROM tenant_find('demo')",
        "SELECT * FROM tenant_ensure('eve')",
        "UPDATE runnable_turns SET tenant_id = uuidv7()",
        "INSERT INTO runnable_turns (tenant_id, turn_id, conversation_id) VALUES (uuidv7(), uuidv7(), uuidv7())",
        "DELETE FROM runnable_turns",
        "INSERT INTO revoked_tokens (tenant_id, token_id, expires_at) VALUES (uuidv7(), 'x', now())",
        "SELECT * FROM events_after(uuidv7(), uuidv7(), 0, 10)",
        "SELECT * FROM watch_open(uuidv7(), 'ana', true, uuidv7())",
        "SELECT turn_checkpoint(uuidv7(), uuidv7(), uuidv7(), 1, 'x')",
    ],
)
async def test_what_the_system_role_may_not_do(roles: Roles, statement: str) -> None:
    with pytest.raises(Denied):
        await roles.system.execute(statement)


# Which role a server takes.


async def test_a_server_refuses_a_role_that_nothing_binds(postgres: TestPostgres, roles: Roles) -> None:
    await check_role(postgres.app_url)
    with pytest.raises(RuntimeError, match="is a superuser"):
        await check_role(postgres.superuser_url)
    name = f"bypass_{uuid4().hex[:8]}"
    await roles.superuser.execute(f"CREATE ROLE {name} LOGIN BYPASSRLS PASSWORD 'secret-of-the-test'")
    try:
        url = postgres.app_url.split("@")[1]
        with pytest.raises(RuntimeError, match="BYPASSRLS") as refused:
            await check_role(f"postgresql://{name}:secret-of-the-test@{url}")
        assert "secret-of-the-test" not in str(refused.value)
    finally:
        await roles.superuser.execute(f"DROP ROLE {name}")
