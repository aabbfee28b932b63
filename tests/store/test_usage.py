"""One row for each provider call, whatever became of the attempt that made it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from deskwire_server.db.engine import Database
from deskwire_server.turns.records import TurnRecords
from tests.store.conftest import Roles
from tests.store.turns import accept, change_owner, checkpoint, claim, finish
from tests.support.postgres import TestPostgres

ONE, TWO = uuid4(), uuid4()


async def settle(roles: Roles, tenant_id: UUID, turn: UUID, attempt: int, *providers: str) -> None:
    calls = [
        {"provider": name, "model": "m", "input_tokens": 5, "output_tokens": 6, "cached_input_tokens": 0}
        for name in providers
    ]
    await roles.app.fetchval("SELECT turn_settle($1,$2,$3,$4)", tenant_id, turn, attempt, json.dumps(calls))


async def usage(roles: Roles, turn: UUID) -> list[tuple[Any, ...]]:
    rows = await roles.superuser.fetch(
        "SELECT attempt, provider, input_tokens, output_tokens, estimated FROM usage WHERE turn_id = $1 "
        "ORDER BY attempt, id", turn,
    )  # fmt: skip
    return [tuple(row) for row in rows]


async def test_the_call_of_a_killed_attempt_is_estimated_by_its_successor(roles: Roles, tenant_id: UUID) -> None:
    turn = (await accept(roles.app, tenant_id))["turn_id"]
    assert await claim(roles.app, tenant_id, turn, ONE)
    assert await checkpoint(roles.app, tenant_id, turn, ONE, 1, "Eight wo") == "go"
    assert await claim(roles.app, tenant_id, turn, TWO, 1)
    assert await usage(roles, turn) == [(1, "", 0, 2, True)]
    assert await finish(roles.app, tenant_id, turn, TWO, 2, input_tokens=40)

    assert await usage(roles, turn) == [(1, "p", 40, 2, True), (2, "p", 40, 2, False)], "the same prompt, the same cost"


async def test_a_worker_that_lives_after_all_says_what_it_spent(roles: Roles, tenant_id: UUID) -> None:
    turn = (await accept(roles.app, tenant_id))["turn_id"]
    await claim(roles.app, tenant_id, turn, ONE)
    await claim(roles.app, tenant_id, turn, TWO, 1)
    for _ in range(2):
        await settle(roles, tenant_id, turn, 1, "real")
    await finish(roles.app, tenant_id, turn, TWO, 2)
    await settle(roles, tenant_id, turn, 2, "real")

    assert await usage(roles, turn) == [(1, "real", 5, 6, False), (2, "p", 1, 2, False)]


async def test_an_attempt_that_called_nobody_costs_nothing(roles: Roles, tenant_id: UUID) -> None:
    turn = (await accept(roles.app, tenant_id))["turn_id"]
    await claim(roles.app, tenant_id, turn, ONE)
    await claim(roles.app, tenant_id, turn, TWO, 1)
    await settle(roles, tenant_id, turn, 1)
    assert await usage(roles, turn) == []
    await settle(roles, tenant_id, turn, 2, "first")
    await claim(roles.app, tenant_id, turn, TWO, 2)
    assert await usage(roles, turn) == [(2, "first", 5, 6, False)], "said before the next attempt began"


async def test_a_call_that_may_have_been_made_is_kept_as_an_estimate(
    roles: Roles, tenant_id: UUID, postgres: TestPostgres
) -> None:
    turn = (await accept(roles.app, tenant_id))["turn_id"]
    await claim(roles.app, tenant_id, turn, ONE)
    call = {"provider": "real", "model": "m", "input_tokens": 5, "output_tokens": 0, "cached_input_tokens": 0}
    database = Database(postgres.app_url, pool_size=1)
    try:
        for _ in range(2):
            await TurnRecords(database, ONE).settle(tenant_id, turn, 1, [{**call, "estimated": True}])
    finally:
        await database.close()
    await claim(roles.app, tenant_id, turn, ONE, 1)
    await finish(roles.app, tenant_id, turn, ONE, 2)

    assert await usage(roles, turn) == [(1, "real", 5, 0, True), (2, "p", 1, 2, False)]


async def test_an_answer_cut_off_by_an_agent_is_paid_for(roles: Roles, tenant_id: UUID) -> None:
    accepted = await accept(roles.app, tenant_id)
    turn = accepted["turn_id"]
    await claim(roles.app, tenant_id, turn, ONE)
    assert (await change_owner(roles.app, tenant_id, accepted["conversation_id"], 1, "ben"))["outcome"] == "done"
    assert [row[4] for row in await usage(roles, turn)] == [True]
    await settle(roles, tenant_id, turn, 1, "real")
    assert await usage(roles, turn) == [(1, "real", 5, 6, False)]


async def test_an_end_whose_word_was_lost_can_be_read_again(roles: Roles, tenant_id: UUID) -> None:
    accepted = await accept(roles.app, tenant_id)
    turn, talk = accepted["turn_id"], accepted["conversation_id"]
    behind = await accept(roles.app, tenant_id, conversation=talk, text="next")
    await claim(roles.app, tenant_id, turn, ONE)
    ended = await finish(roles.app, tenant_id, turn, ONE, 1)
    assert ended is not None
    assert await finish(roles.app, tenant_id, turn, ONE, 1) is None
    again = await roles.app.fetchrow("SELECT * FROM turn_ending($1,$2,$3,$4)", tenant_id, turn, ONE, 1)
    assert (again["sequence"], again["kind"], again["next_turn"]) == (
        ended["sequence"], "message_completed", behind["turn_id"]
    )  # fmt: skip
    for worker, attempt in ((TWO, 1), (ONE, 2)):
        assert (
            await roles.app.fetchrow("SELECT * FROM turn_ending($1,$2,$3,$4)", tenant_id, turn, worker, attempt) is None
        )
