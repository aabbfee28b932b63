"""One owner at a time: whoever takes a conversation over is the only one whose words are kept from then on."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.store.conftest import Roles
from tests.store.turns import accept, change_owner, checkpoint, claim, finish, say
from tests.support.postgres import TestPostgres

TAKEOVERS = 1_000


@pytest.fixture
async def pool(postgres: TestPostgres) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(postgres.app_url, min_size=1, max_size=8) as made:
        yield made


async def rows(roles: Roles, table: str, tenant_id: UUID, order: str = "1") -> list[asyncpg.Record]:
    return list(await roles.superuser.fetch(f"SELECT * FROM {table} WHERE tenant_id = $1 ORDER BY {order}", tenant_id))


async def told(roles: Roles, tenant_id: UUID) -> list[tuple[str, str]]:
    """(kind, reason) of every event, in order."""
    events = await rows(roles, "events", tenant_id, "sequence")
    return [(event["kind"], json.loads(event["payload"]).get("reason", "")) for event in events]


async def test_a_takeover_ends_what_the_assistant_was_writing(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    worker = uuid4()
    running = await accept(pool, tenant_id, worker=worker)
    conversation = running["conversation_id"]
    waiting = await accept(pool, tenant_id, conversation=conversation)
    await claim(pool, tenant_id, running["turn_id"], worker)
    await checkpoint(pool, tenant_id, running["turn_id"], worker, 1, "Half of")

    taken = await change_owner(pool, tenant_id, conversation, 1, "bob")
    assert (taken["outcome"], taken["token"], taken["stopped"]) == ("done", 2, running["turn_id"])
    assert await checkpoint(pool, tenant_id, running["turn_id"], worker, 1, "Half of an answer") == "fenced"
    assert await finish(pool, tenant_id, running["turn_id"], worker, 1, "A whole answer") is None
    assert await claim(pool, tenant_id, waiting["turn_id"], worker) is None
    assert await told(roles, tenant_id) == [
        ("message_accepted", ""), ("message_accepted", ""), ("turn_started", ""),
        ("turn_cancelled", "OWNER_CHANGED"), ("turn_cancelled", "OWNER_CHANGED"), ("conversation_changed", ""),
    ]  # fmt: skip
    messages = await rows(roles, "messages", tenant_id, "sequence")
    assert [(m["role"], m["text"], m["state"]) for m in messages] == [
        ("user", "Hi", "complete"), ("user", "Hi", "complete"), ("assistant", "Half of", "cancelled")
    ]  # fmt: skip
    assert {turn["state"] for turn in await rows(roles, "turns", tenant_id)} == {"cancelled"}
    assert not await rows(roles, "runnable_turns", tenant_id)
    (event,) = [e for e in await rows(roles, "events", tenant_id) if e["kind"] == "conversation_changed"]
    after = json.loads(event["payload"])["conversation"]
    assert (after["owner_kind"], after["owner_token"], after["last_sequence"]) == ("agent", 2, event["sequence"])
    assert after["active_turn_id"] is None


async def test_the_token_is_compared_and_set(pool: Any, tenant_id: UUID, other_tenant_id: UUID) -> None:
    conversation = (await accept(pool, tenant_id))["conversation_id"]
    taken = await asyncio.gather(
        *(change_owner(pool, tenant_id, conversation, 1, f"agent-{number}") for number in range(20))
    )
    assert sorted(row["outcome"] for row in taken) == ["changed"] * 19 + ["done"]
    assert (await change_owner(pool, tenant_id, conversation, 1, None))["outcome"] == "changed"
    assert (await change_owner(pool, tenant_id, conversation, 2, None))["token"] == 3
    assert (await change_owner(pool, other_tenant_id, conversation, 3, "eve"))["outcome"] == "missing"
    assert (await change_owner(pool, tenant_id, uuid4(), 1, "eve"))["outcome"] == "missing"


async def test_a_message_to_a_human_is_kept_and_waits_for_nobody(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    conversation = (await accept(pool, tenant_id, session="s"))["conversation_id"]
    await change_owner(pool, tenant_id, conversation, 1, "bob")
    sent = await accept(pool, tenant_id, conversation=conversation, text="Is anybody there?", request_id="r")
    assert (sent["outcome"], sent["state"], sent["queue_position"]) == ("accepted", "cancelled", 0)
    assert await claim(pool, tenant_id, sent["turn_id"], uuid4()) is None
    assert (await accept(pool, tenant_id, conversation=conversation, text="Is anybody there?", request_id="r"))[
        "outcome"
    ] == "joined"
    assert (await told(roles, tenant_id))[-2:] == [("message_accepted", ""), ("turn_cancelled", "OWNER_CHANGED")]
    assert not await rows(roles, "runnable_turns", tenant_id)
    assert not await rows(roles, "usage", tenant_id)


async def test_what_the_agent_said_stands_on_the_branch(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    worker = uuid4()
    conversation = (await accept(pool, tenant_id, text="Hello?"))["conversation_id"]
    await change_owner(pool, tenant_id, conversation, 1, "bob")
    asked = await accept(pool, tenant_id, conversation=conversation, text="A human, please")
    said = await say(pool, tenant_id, conversation, "bob", 2, "Here I am.", key="k")
    assert said["outcome"] == "said"
    assert (await say(pool, tenant_id, conversation, "bob", 2, "Here I am.", key="k"))["outcome"] == "joined"
    assert (await say(pool, tenant_id, conversation, "bob", 2, "Here I was.", key="k"))["outcome"] == "reused"
    assert (await say(pool, tenant_id, conversation, "eve", 2))["outcome"] == "changed"
    assert (await say(pool, tenant_id, conversation, "bob", 1))["outcome"] == "changed"
    assert (await say(pool, tenant_id, uuid4(), "bob", 2))["outcome"] == "missing"
    written = (await rows(roles, "messages", tenant_id, "sequence"))[-1]
    assert (written["id"], written["role"], written["parent_id"]) == (said["message_id"], "agent", asked["question_id"])

    await change_owner(pool, tenant_id, conversation, 2, None)
    assert (await say(pool, tenant_id, conversation, "bob", 2))["outcome"] == "changed"
    assert (await say(pool, tenant_id, conversation, "bob", 3))["outcome"] == "changed", "the assistant owns it now"
    follow = await accept(pool, tenant_id, conversation=conversation, text="Thanks", worker=worker)
    assert follow["parent_id"] == said["message_id"]
    begun = await claim(pool, tenant_id, follow["turn_id"], worker)
    assert begun is not None
    assert [(each["role"], each["text"]) for each in json.loads(begun["history"])] == [
        ("user", "Hello?"), ("user", "A human, please"), ("assistant", "Here I am.")
    ]  # fmt: skip


async def test_an_old_token_of_a_turn_ends_it(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    """Whatever changed the owner: a turn of the old one can't be begun, and doesn't wait for ever either."""
    turn = await accept(pool, tenant_id)
    await roles.superuser.execute("UPDATE conversations SET owner_token = 7 WHERE tenant_id = $1", tenant_id)
    assert await claim(pool, tenant_id, turn["turn_id"], uuid4()) is None
    assert (await told(roles, tenant_id))[-1] == ("turn_cancelled", "OWNER_CHANGED")
    worker = uuid4()
    second = await accept(pool, tenant_id, conversation=turn["conversation_id"])
    await claim(pool, tenant_id, second["turn_id"], worker)
    await roles.superuser.execute("UPDATE conversations SET owner_token = 8 WHERE tenant_id = $1", tenant_id)
    assert await checkpoint(pool, tenant_id, second["turn_id"], worker, 1, "late") == "fenced"
    assert await finish(pool, tenant_id, second["turn_id"], worker, 1, "late") is None
    assert (await told(roles, tenant_id))[-1] == ("turn_cancelled", "OWNER_CHANGED")
    assert not await rows(roles, "runnable_turns", tenant_id)


class _Race:
    """The assistant, agents and a person who all write into one conversation at once."""

    def __init__(self, pool: Any, tenant_id: UUID, conversation: UUID) -> None:
        self.pool = pool
        self.tenant = tenant_id
        self.conversation = conversation
        self.token = 1
        self.changes = 0
        self.answers = 0
        self.leave_it_until = 0.0

    @property
    def is_over(self) -> bool:
        return self.changes >= TAKEOVERS and self.answers >= 5

    async def agent(self, name: str, dice: random.Random) -> None:
        while not self.is_over:
            if time.monotonic() < self.leave_it_until:
                await asyncio.sleep(0.005)
                continue
            to = name if dice.random() < 0.5 else None
            taken = await change_owner(self.pool, self.tenant, self.conversation, self.token, to)
            if taken["outcome"] == "done":
                self.changes += 1
                if to is None and dice.random() < 0.05:
                    # Else the assistant would hardly ever come to its last word.
                    self.leave_it_until = time.monotonic() + 0.1
            self.token = max(self.token, taken["token"])
            if dice.random() < 0.5:
                await say(self.pool, self.tenant, self.conversation, name, self.token, f"by {name}")

    async def questions(self) -> None:
        """A person asks, and the assistant answers as far as it is let."""
        worker = uuid4()
        while not self.is_over:
            asked = await accept(self.pool, self.tenant, conversation=self.conversation, while_answering="refuse")
            if asked["outcome"] != "accepted" or asked["state"] != "queued":
                continue
            turn = asked["turn_id"]
            if await claim(self.pool, self.tenant, turn, worker) is not None:
                await checkpoint(self.pool, self.tenant, turn, worker, 1, "some")
                self.answers += await finish(self.pool, self.tenant, turn, worker, 1, "of the assistant") is not None


async def test_a_thousand_raced_takeovers(roles: Roles, pool: Any, tenant_id: UUID) -> None:
    conversation = (await accept(pool, tenant_id))["conversation_id"]
    race = _Race(pool, tenant_id, conversation)
    async with asyncio.timeout(60):
        await asyncio.gather(
            race.questions(), race.questions(), *(race.agent(f"agent-{n}", random.Random(n)) for n in range(3))
        )

    events = await rows(roles, "events", tenant_id, "sequence")
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    owner, token, words = "", 1, {"assistant": 0, "agent": 0}
    for event in events:
        payload = json.loads(event["payload"])
        if event["kind"] == "conversation_changed":
            changed = payload["conversation"]
            assert changed["owner_token"] == token + 1, "one owner after another"
            owner, token = changed["owner_user_id"] or "", changed["owner_token"]
        elif event["kind"] == "message_completed":
            role = payload["message"]["role"]
            words[role] += 1
            if role == "agent":
                assert payload["message"]["text"] == f"by {owner}", "only the owner speaks"
            else:
                assert not owner, "the assistant is silent while a human owns"
        elif event["kind"] == "turn_started":
            assert not owner
    assert token == race.changes + 1
    assert all(words.values()), words
