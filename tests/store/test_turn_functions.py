"""The SQL functions of a turn: idempotent, gapless, fenced, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from deskwire_server.ids import uuid7
from tests.store.conftest import Roles
from tests.store.turns import accept, cancel, checkpoint, claim, finish
from tests.support.postgres import TestPostgres


@pytest.fixture
async def pool(postgres: TestPostgres) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(postgres.app_url, min_size=1, max_size=10) as made:
        yield made


async def rows(roles: Roles, table: str, tenant_id: UUID, order: str = "1") -> list[asyncpg.Record]:
    return list(await roles.superuser.fetch(f"SELECT * FROM {table} WHERE tenant_id = $1 ORDER BY {order}", tenant_id))


# Accepting.


async def test_fifty_accepts_at_once_leave_no_gap(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    first = await accept(pool, tenant_id, session="s")
    conversation = first["conversation_id"]
    accepted = await asyncio.gather(
        *(accept(pool, tenant_id, conversation=conversation, text=f"{number}") for number in range(50))
    )

    assert {row["outcome"] for row in accepted} == {"accepted"}
    assert sorted(row["first_sequence"] for row in accepted) == list(range(2, 52))
    assert sorted(row["queue_position"] for row in accepted) == list(range(1, 51))
    events = await rows(roles, "events", tenant_id, "sequence")
    assert [event["sequence"] for event in events] == list(range(1, 52))
    (talk,) = await rows(roles, "conversations", tenant_id)
    assert (talk["last_sequence"], talk["message_count"]) == (51, 51)


async def test_two_hundred_repeats_at_once_are_one_turn(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    outcomes = await asyncio.gather(*(accept(pool, tenant_id, request_id="r", text="Hi") for _ in range(200)))

    assert sorted(row["outcome"] for row in outcomes) == ["accepted"] + ["joined"] * 199
    assert len({row["turn_id"] for row in outcomes}) == 1
    for table in ("conversations", "turns", "messages", "events", "runnable_turns"):
        assert len(await rows(roles, table, tenant_id)) == 1, table
    other = await accept(pool, tenant_id, request_id="r", text="Something else")
    assert other["outcome"] == "reused"
    assert (await accept(pool, tenant_id, user="ben", request_id="r", text="Hi"))["outcome"] == "accepted"


async def test_a_session_raced_for_is_one_conversation(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    accepted = await asyncio.gather(*(accept(pool, tenant_id, session="s", text=f"{n}") for n in range(30)))

    assert {row["outcome"] for row in accepted} == {"accepted"}
    assert len({row["conversation_id"] for row in accepted}) == 1
    assert len(await rows(roles, "conversations", tenant_id)) == 1
    assert sorted(row["first_sequence"] for row in accepted) == list(range(1, 31))


async def test_what_is_not_there_is_missing(pool: Any, tenant_id: UUID, other_tenant_id: UUID) -> None:
    accepted = await accept(pool, tenant_id)
    conversation = accepted["conversation_id"]
    for tenant, user in ((other_tenant_id, "ana"), (tenant_id, "ben")):
        found = await accept(pool, tenant, user=user, conversation=conversation)
        assert (found["outcome"], found["conversation_id"]) == ("missing", None)
        assert (await cancel(pool, tenant, conversation, accepted["turn_id"], user=user))["outcome"] == "missing"
        watched = await pool.fetch("SELECT * FROM watch_open($1,$2,false,$3)", tenant, user, conversation)
        assert not watched
    assert await claim(pool, other_tenant_id, accepted["turn_id"], uuid4()) is None
    assert not await pool.fetch("SELECT * FROM events_after($1,$2,0,10)", other_tenant_id, conversation)
    seen = await accept(pool, tenant_id, user="ben", conversation=conversation, sees_all=True)
    assert seen["outcome"] == "accepted"


async def test_a_closed_conversation_takes_nothing(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    accepted = await accept(pool, tenant_id)
    await roles.superuser.execute(
        "UPDATE conversations SET status = 'completed' WHERE id = $1", accepted["conversation_id"]
    )
    refused = await accept(pool, tenant_id, conversation=accepted["conversation_id"])
    assert (refused["outcome"], refused["state"]) == ("closed", "completed")


# Running and fencing.


async def test_only_the_newest_attempt_may_write(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    old, new = uuid4(), uuid4()
    turn = (await accept(pool, tenant_id, worker=old))["turn_id"]
    first = await claim(pool, tenant_id, turn, old)
    assert first is not None
    assert first["attempt"] == 1
    assert await checkpoint(pool, tenant_id, turn, old, 1, "half of") == "go"
    second = await claim(pool, tenant_id, turn, new, attempt=1)
    assert second is not None
    assert second["attempt"] == 2

    assert await checkpoint(pool, tenant_id, turn, old, 1, "half of a late") == "fenced"
    assert await finish(pool, tenant_id, turn, old, 1, "late") is None
    assert await finish(pool, tenant_id, turn, old, 2, "by the wrong worker") is None
    assert await finish(pool, tenant_id, turn, new, 1, "by the wrong attempt") is None
    assert await claim(pool, tenant_id, turn, old, attempt=1) is None
    assert await checkpoint(pool, tenant_id, turn, new, 2, "the whole") == "go"
    assert await finish(pool, tenant_id, turn, new, 2, "the whole answer") is not None
    assert await finish(pool, tenant_id, turn, new, 2, "twice") is None
    assert await checkpoint(pool, tenant_id, turn, new, 2) == "fenced"

    messages = await rows(roles, "messages", tenant_id, "sequence")
    assert [(message["role"], message["text"]) for message in messages] == [
        ("user", "Hi"), ("assistant", "the whole answer")
    ]  # fmt: skip
    events = await rows(roles, "events", tenant_id, "sequence")
    assert [event["kind"] for event in events] == [
        "message_accepted", "turn_started", "turn_started", "message_completed"
    ]  # fmt: skip
    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    told = [row["attempt"] for row in await rows(roles, "usage", tenant_id) if not row["estimated"]]
    assert told == [2]
    assert not await rows(roles, "runnable_turns", tenant_id)


async def test_one_of_many_claims_wins(pool: Any, tenant_id: UUID) -> None:
    turn = (await accept(pool, tenant_id))["turn_id"]
    claims = await asyncio.gather(*(claim(pool, tenant_id, turn, uuid4()) for _ in range(20)))
    assert sum(each is not None for each in claims) == 1


async def test_queued_turns_are_answered_in_the_order_of_their_messages(pool: Any, tenant_id: UUID) -> None:
    """Their ids are made by workers whose clocks differ, so ids say nothing about order."""
    worker = uuid4()
    ids = sorted((uuid7() for _ in range(4)), reverse=True)
    first = await accept(pool, tenant_id, worker=worker, turn=ids[0])
    for turn in ids[1:]:
        await accept(pool, tenant_id, worker=worker, turn=turn, conversation=first["conversation_id"])

    begun = await claim(pool, tenant_id, ids[0], worker)
    assert begun is not None
    order = [ids[0]]
    while True:
        ended = await finish(pool, tenant_id, order[-1], worker, 1)
        assert ended is not None
        if ended["next_turn"] is None:
            break
        order.append(ended["next_turn"])
        assert await claim(pool, tenant_id, order[-1], worker, ended["next_attempt"]) is not None
    assert order == ids


async def test_a_turn_waits_for_those_before_it(pool: Any, tenant_id: UUID) -> None:
    worker = uuid4()
    first = await accept(pool, tenant_id, worker=worker)
    second = await accept(pool, tenant_id, worker=worker, conversation=first["conversation_id"])

    assert await claim(pool, tenant_id, second["turn_id"], worker) is None
    assert await claim(pool, tenant_id, first["turn_id"], worker) is not None
    assert await claim(pool, tenant_id, second["turn_id"], worker) is None
    ended = await finish(pool, tenant_id, first["turn_id"], worker, 1, "One.")
    assert ended is not None
    assert ended["next_turn"] == second["turn_id"]
    begun = await claim(pool, tenant_id, second["turn_id"], worker)
    assert begun is not None
    assert begun["history"] == '[{"role": "user", "text": "Hi"}, {"role": "assistant", "text": "One."}]'


async def test_interrupting_ends_what_waits_and_stops_what_runs(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    worker = uuid4()
    running = await accept(pool, tenant_id, worker=worker)
    conversation = running["conversation_id"]
    await claim(pool, tenant_id, running["turn_id"], worker)
    waiting = await accept(pool, tenant_id, conversation=conversation)
    refused = await accept(pool, tenant_id, conversation=conversation, while_answering="refuse")
    assert refused["outcome"] == "running"
    newest = await accept(pool, tenant_id, conversation=conversation, while_answering="interrupt")

    assert newest["interrupted"] == [running["turn_id"]]
    assert newest["queue_position"] == 1
    assert await checkpoint(pool, tenant_id, running["turn_id"], worker, 1) == "interrupted"
    states = {row["id"]: row["state"] for row in await rows(roles, "turns", tenant_id)}
    assert states[waiting["turn_id"]] == "interrupted"
    assert await claim(pool, tenant_id, waiting["turn_id"], worker) is None


async def test_cancelling(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    worker = uuid4()
    running = await accept(pool, tenant_id, worker=worker)
    conversation, turn = running["conversation_id"], running["turn_id"]
    await claim(pool, tenant_id, turn, worker)
    waiting = (await accept(pool, tenant_id, conversation=conversation))["turn_id"]

    assert (await cancel(pool, tenant_id, conversation, waiting))["outcome"] == "cancelled"
    assert (await cancel(pool, tenant_id, conversation, waiting))["outcome"] == "ended"
    assert dict(await cancel(pool, tenant_id, conversation, None)) == {"outcome": "stopping", "turn_id": turn}
    assert (await cancel(pool, tenant_id, conversation, None))["outcome"] == "ended"
    assert await checkpoint(pool, tenant_id, turn, worker, 1) == "cancelled"
    assert (await cancel(pool, tenant_id, conversation, uuid4()))["outcome"] == "missing"
    await finish(pool, tenant_id, turn, worker, 1)
    assert dict(await cancel(pool, tenant_id, conversation, None)) == {"outcome": "none", "turn_id": None}
    sequences = [event["sequence"] for event in await rows(roles, "events", tenant_id, "sequence")]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_the_functions_leave_no_tenant_behind(pool: Any, tenant_id: UUID) -> None:
    async with pool.acquire() as connection:
        await accept(connection, tenant_id)
        assert await connection.fetchval("SELECT current_setting('deskwire.tenant_id', true)") == ""
        assert await connection.fetchval("SELECT count(*) FROM conversations") == 0
