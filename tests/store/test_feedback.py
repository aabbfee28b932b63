"""Feedback on a real Postgres: what the tables hold by themselves, and that deleting takes it along."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.store.conftest import Roles
from tests.store.turns import accept, claim, finish

PUT = """
    INSERT INTO feedback (tenant_id, conversation_id, message_id, user_id, sentiment, rating)
    VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
"""


async def an_answer(roles: Roles, tenant_id: UUID) -> tuple[UUID, UUID]:
    """A conversation and the answer in it."""
    worker = uuid4()
    accepted = await accept(roles.app, tenant_id, worker=worker, session="s")
    await claim(roles.app, tenant_id, accepted["turn_id"], worker)
    await finish(roles.app, tenant_id, accepted["turn_id"], worker, 1)
    return accepted["conversation_id"], accepted["answer_id"]


async def put(roles: Roles, tenant_id: UUID, *values: Any) -> UUID:
    async with roles.app.transaction():
        await roles.app.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(tenant_id))
        made: UUID = await roles.app.fetchval(PUT, tenant_id, *values)
        return made


async def count(roles: Roles, tenant_id: UUID) -> int:
    found: int = await roles.superuser.fetchval("SELECT count(*) FROM feedback WHERE tenant_id = $1", tenant_id)
    return found


async def test_one_of_a_user_on_an_answer(roles: Roles, tenant_id: UUID) -> None:
    conversation, answer = await an_answer(roles, tenant_id)
    await put(roles, tenant_id, conversation, answer, "ana", "positive", 5)
    await put(roles, tenant_id, conversation, answer, "bob", "negative", None)
    with pytest.raises(asyncpg.UniqueViolationError):
        await put(roles, tenant_id, conversation, answer, "ana", "negative", 1)
    assert await count(roles, tenant_id) == 2


@pytest.mark.parametrize(("sentiment", "rating"), [("positive", 0), ("positive", 6), ("neutral", 3), (None, 3)])
async def test_values_out_of_range_do_not_get_in(
    roles: Roles, tenant_id: UUID, sentiment: str | None, rating: int
) -> None:
    conversation, answer = await an_answer(roles, tenant_id)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await put(roles, tenant_id, conversation, answer, "ana", sentiment, rating)
    assert await count(roles, tenant_id) == 0


async def test_another_tenant_can_not_point_at_an_answer(roles: Roles, tenant_id: UUID, other_tenant_id: UUID) -> None:
    conversation, answer = await an_answer(roles, tenant_id)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await put(roles, other_tenant_id, conversation, answer, "eve", "positive", 5)


@pytest.mark.parametrize("table", ["messages", "conversations"])
async def test_it_goes_with_what_it_is_about(roles: Roles, tenant_id: UUID, table: str) -> None:
    conversation, answer = await an_answer(roles, tenant_id)
    await put(roles, tenant_id, conversation, answer, "ana", "positive", 5)
    async with roles.app.transaction():
        await roles.app.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(tenant_id))
        gone = conversation if table == "conversations" else answer
        assert await roles.app.execute(f"DELETE FROM {table} WHERE id = $1", gone) == "DELETE 1"
    assert await count(roles, tenant_id) == 0


@pytest.mark.parametrize("rating", [0, 6])
async def test_satisfaction_out_of_range_does_not_get_in(roles: Roles, tenant_id: UUID, rating: int) -> None:
    conversation, _ = await an_answer(roles, tenant_id)
    with pytest.raises(asyncpg.CheckViolationError):
        await roles.superuser.execute(
            "UPDATE conversations SET satisfaction_rating = $2 WHERE id = $1", conversation, rating
        )
