"""Steps of a turn's life straight on the SQL functions, as a worker makes them."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from deskwire_server.ids import uuid7

Executor = Any  # a connection or a pool; asyncpg has no types


async def accept(
    database: Executor,
    tenant: UUID,
    *,
    user: str = "ana",
    worker: UUID | None = None,
    conversation: UUID | None = None,
    session: str | None = None,
    request_id: str = "",
    text: str = "Hi",
    turn: UUID | None = None,
    while_answering: str = "queue",
    sees_all: bool = False,
    replaces: UUID | None = None,
    regenerates: UUID | None = None,
    after: int | None = None,
    options: str = "{}",
) -> asyncpg.Record:
    """`turn_accept` with plain defaults."""
    turn = turn or uuid7()
    row = await database.fetchrow(
        "SELECT * FROM turn_accept($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20)",
        tenant, user, sees_all, conversation, session, "{}", turn, uuid7(), uuid7(), request_id or str(turn),
        hashlib.sha256(f"{text}{replaces}{regenerates}".encode()).digest(), text, text[:80], options, "{}",
        while_answering, worker or uuid4(), replaces, regenerates, after,
    )  # fmt: skip
    assert row is not None
    return row


async def change_owner(
    database: Executor, tenant: UUID, conversation: UUID, token: int, agent: str | None
) -> asyncpg.Record:
    """`owner_change` to an agent, or to the assistant where there is none."""
    row = await database.fetchrow(
        "SELECT * FROM owner_change($1,$2,$3,$4,$5)", tenant, conversation, token, "agent" if agent else "bot", agent
    )
    assert row is not None
    return row


async def say(
    database: Executor, tenant: UUID, conversation: UUID, agent: str, token: int, text: str = "A human.", key: str = ""
) -> asyncpg.Record:
    """`owner_say`."""
    turn = uuid7()
    row = await database.fetchrow(
        "SELECT * FROM owner_say($1,$2,$3,$4,$5,$6,$7,$8,$9)", tenant, agent, conversation, token, turn, uuid7(),
        key or str(turn), hashlib.sha256(text.encode()).digest(), text,
    )  # fmt: skip
    assert row is not None
    return row


async def claim(database: Executor, tenant: UUID, turn: UUID, worker: UUID, attempt: int = 0) -> asyncpg.Record | None:
    """`turn_claim` of the attempt after `attempt`."""
    return await database.fetchrow("SELECT * FROM turn_claim($1,$2,$3,$4,$5)", tenant, turn, worker, attempt, 20)


async def checkpoint(database: Executor, tenant: UUID, turn: UUID, worker: UUID, attempt: int, text: str = "") -> str:
    """`turn_checkpoint`."""
    verdict: str = await database.fetchval(
        "SELECT turn_checkpoint($1,$2,$3,$4,$5)", tenant, turn, worker, attempt, text
    )
    return verdict


async def finish(
    database: Executor, tenant: UUID, turn: UUID, worker: UUID, attempt: int, text: str = "Answer.", **usage: Any
) -> asyncpg.Record | None:
    """`turn_finish` with a whole answer."""
    spent = {"provider": "p", "model": "m", "input_tokens": 1, "output_tokens": 2, "cached_input_tokens": 0} | usage
    return await database.fetchrow(
        "SELECT * FROM turn_finish($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)", tenant, turn, worker, attempt, "completed",
        text, "complete", "{}", "{}", None, json.dumps([spent]),
    )  # fmt: skip


async def cancel(
    database: Executor, tenant: UUID, conversation: UUID, turn: UUID | None, user: str = "ana"
) -> asyncpg.Record:
    """`turn_cancel`."""
    row = await database.fetchrow(
        "SELECT * FROM turn_cancel($1,$2,$3,$4,$5,$6)", tenant, user, False, conversation, turn, "cancelled"
    )
    assert row is not None
    return row
