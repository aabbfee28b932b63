"""The tree that the turns of a conversation make: where a turn stands, and what it is told of what came before."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from deskwire_server.db import migrate
from deskwire_server.ids import uuid7
from tests.store.conftest import Roles
from tests.store.turns import accept, claim, finish
from tests.support.postgres import TestPostgres

WORKER = uuid4()


@pytest.fixture
async def pool(postgres: TestPostgres) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(postgres.app_url, min_size=1, max_size=4) as made:
        yield made


async def answered(pool: Any, tenant: UUID, text: str, **fields: Any) -> asyncpg.Record:
    """A turn that ends with the answer `text` in capitals."""
    row = await accept(pool, tenant, text=text, worker=WORKER, **fields)
    assert row["outcome"] == "accepted"
    assert await claim(pool, tenant, row["turn_id"], WORKER) is not None
    assert await finish(pool, tenant, row["turn_id"], WORKER, 1, (text or "again").upper()) is not None
    return row


async def history(pool: Any, tenant: UUID, turn: UUID, options: int = 20) -> list[str]:
    begun = await pool.fetchrow("SELECT * FROM turn_claim($1,$2,$3,$4,$5)", tenant, turn, WORKER, 0, options)
    assert begun is not None
    return [each["text"] for each in json.loads(begun["history"])]


async def head(roles: Roles, conversation: UUID) -> UUID:
    found: UUID = await roles.superuser.fetchval("SELECT head_turn_id FROM conversations WHERE id = $1", conversation)
    return found


async def test_history_is_that_of_the_branch(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    one = await answered(pool, tenant_id, "one")
    talk = one["conversation_id"]
    two = await answered(pool, tenant_id, "two", conversation=talk)
    await answered(pool, tenant_id, "three", conversation=talk)
    dos = await answered(pool, tenant_id, "dos", conversation=talk, replaces=two["question_id"])
    assert dos["parent_id"] == one["answer_id"]
    assert await head(roles, talk) == dos["turn_id"]
    again = await accept(pool, tenant_id, text="", conversation=talk, regenerates=dos["answer_id"], worker=WORKER)
    assert again["question_id"] == dos["question_id"]
    assert await head(roles, talk) == again["turn_id"]
    assert await history(pool, tenant_id, again["turn_id"]) == ["one", "ONE"]
    await finish(pool, tenant_id, again["turn_id"], WORKER, 1, "DOS!")
    last = await accept(pool, tenant_id, text="four", conversation=talk, worker=WORKER)
    assert await history(pool, tenant_id, last["turn_id"]) == ["one", "ONE", "dos", "DOS!"]


@pytest.mark.parametrize(("wanted", "texts"), [(0, []), (1, ["TWO"]), (2, ["two", "TWO"]), (3, ["ONE", "two", "TWO"])])
async def test_history_is_bounded_in_messages(pool: Any, tenant_id: UUID, wanted: int, texts: list[str]) -> None:
    talk = (await answered(pool, tenant_id, "one"))["conversation_id"]
    await answered(pool, tenant_id, "two", conversation=talk)
    last = await accept(pool, tenant_id, text="three", conversation=talk, worker=WORKER)
    assert await history(pool, tenant_id, last["turn_id"], wanted) == texts


async def test_what_is_not_of_the_conversation_changes_nothing(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    one = await answered(pool, tenant_id, "one")
    other = await answered(pool, tenant_id, "other")
    talk = one["conversation_id"]
    for fields in (
        {"replaces": one["answer_id"]}, {"replaces": other["question_id"]}, {"replaces": uuid4()},
        {"regenerates": other["answer_id"]}, {"regenerates": uuid4()},
    ):  # fmt: skip
        for target in ({"conversation": talk}, {"session": "new"}, {}):
            assert (await accept(pool, tenant_id, **fields, **target))["outcome"] == "missing_message"
    for after, outcome in ((4, "ahead"), (10**9, "ahead"), (3, "accepted")):
        refused = await accept(pool, tenant_id, conversation=talk, after=after)
        assert refused["outcome"] == outcome
        if outcome == "ahead":
            assert refused["first_sequence"] == 3
    assert (await accept(pool, tenant_id, after=1))["outcome"] == "ahead"
    await roles.superuser.execute("UPDATE conversations SET earliest_sequence = 3 WHERE id = $1", talk)
    expired = await accept(pool, tenant_id, conversation=talk, after=1)
    assert (expired["outcome"], expired["first_sequence"]) == ("expired", 3)
    assert len(await roles.superuser.fetch("SELECT FROM conversations WHERE tenant_id = $1", tenant_id)) == 2


@pytest.mark.parametrize("table", ["turns", "messages", "conversations"])
async def test_a_row_is_found_by_its_key_before_anybody_counted(pool: Any, tenant_id: UUID, table: str) -> None:
    """Without statistics any index that begins with the tenant would look as good, and be read for all of a tenant."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(tenant_id))
        plan = await connection.fetch(
            f"EXPLAIN SELECT * FROM {table} WHERE tenant_id = $1 AND id = $2", tenant_id, uuid4()
        )
    assert any(f"using {table}_pkey" in row[0] for row in plan), plan


async def test_conversations_from_before_become_one_branch(postgres: TestPostgres) -> None:
    name = f"before_{uuid4().hex[:8]}"
    maintenance = await asyncpg.connect(postgres.superuser_url)
    try:
        await maintenance.execute(f"CREATE DATABASE {name} OWNER deskwire_owner")
        inside = await asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + f"/{name}")
        await inside.execute("CREATE EXTENSION vector; ALTER SCHEMA public OWNER TO deskwire_owner")
        url = postgres.owner_url.rpartition("/")[0] + f"/{name}"
        await migrate.upgrade(url, "0003")
        tenant, talk, turns = uuid7(), uuid7(), [uuid7() for _ in range(3)]
        await inside.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, 't', 't')", tenant)
        await inside.execute("INSERT INTO conversations (tenant_id, id, user_id) VALUES ($1, $2, 'ana')", tenant, talk)
        for place, turn in enumerate(reversed(turns)):
            await inside.execute(
                "INSERT INTO turns (tenant_id, id, conversation_id, user_id, request_id, request_hash, state, "
                "first_sequence, question_id, answer_id) "
                "VALUES ($1, $2, $3, 'ana', $4, '', 'completed', $5, uuidv7(), uuidv7())",
                tenant, turn, talk, str(place), place * 3 + 1,
            )  # fmt: skip
        await migrate.upgrade(url)
        found = await inside.fetch("SELECT id, parent_turn_id FROM turns ORDER BY first_sequence")
        assert [tuple(row) for row in found] == [(turns[2], None), (turns[1], turns[2]), (turns[0], turns[1])]
        assert await inside.fetchval("SELECT head_turn_id FROM conversations") == turns[0]
        assert await inside.fetchval(
            "SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE relname IN ('turns', 'conversations')"
        )
        await inside.close()
    finally:
        await maintenance.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await maintenance.close()
