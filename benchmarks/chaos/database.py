"""What the database holds after a run."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson

from benchmarks.chaos.question import nonce_of

TERMINAL = frozenset({"message_completed", "turn_failed", "turn_cancelled"})
ENDED = frozenset({"completed", "failed", "cancelled", "interrupted"})
_POLL = 0.25


@dataclass(slots=True)
class Turn:
    """One turn and all that belongs to it."""

    id: str
    tenant: str
    user: str
    conversation: str
    request_id: str
    state: str
    attempt: int
    reason: str
    question_id: str
    answer_id: str
    messages: list[Message] = field(default_factory=list)
    usage: list[Usage] = field(default_factory=list)

    @property
    def nonce(self) -> str:
        """Nonce of its question."""
        return nonce_of(self.request_id)


@dataclass(frozen=True, slots=True)
class Usage:
    """One row of usage."""

    attempt: int
    """0 for titles and summaries."""
    provider: str
    estimated: bool
    """Of a call of which nobody knows whether it was made: its worker was lost, or it was cut off without an answer."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    id: str
    turn: str
    conversation: str
    role: str
    text: str
    state: str


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One durable event."""

    kind: str
    turn: str
    attempt: int
    message: str
    """Id of the message in it, if any."""
    text: str


@dataclass(slots=True)
class Stored:
    """All of it."""

    turns: dict[str, Turn]
    events: dict[str, dict[int, StoredEvent]]
    """By conversation and sequence."""
    last_sequence: dict[str, int]
    written: dict[str, str]
    """Title of each conversation."""


async def until_ended(url: str, limit: float) -> int:
    """Wait until no turn runs or waits. Returns how many still do after `limit` seconds."""
    connection = await asyncpg.connect(url)
    try:
        deadline = asyncio.get_running_loop().time() + limit
        while True:
            left: int = await connection.fetchval(
                "SELECT count(*) FROM turns WHERE state NOT IN ('completed', 'failed', 'cancelled', 'interrupted')"
            )
            if not left or asyncio.get_running_loop().time() > deadline:
                return left
            await asyncio.sleep(_POLL)
    finally:
        await connection.close()


async def load(url: str) -> Stored:
    """Read everything, as the superuser."""
    connection = await asyncpg.connect(url)
    try:
        await connection.set_type_codec("jsonb", encoder=str, decoder=orjson.loads, schema="pg_catalog")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            stored = Stored(await _turns(connection), defaultdict(dict), {}, {})
            for row in await connection.fetch("SELECT id::text, last_sequence, title FROM conversations"):
                stored.last_sequence[row["id"]], stored.written[row["id"]] = row["last_sequence"], row["title"]
            await _add_messages(connection, stored)
            async for row in connection.cursor(_EVENTS, prefetch=5_000):
                stored.events[row["conversation"]][row["sequence"]] = _event(row)
            return stored
    finally:
        await connection.close()


_TURNS = """
    SELECT t.id::text, s.slug, t.user_id, t.conversation_id::text, t.request_id, t.state, t.attempt,
           coalesce(t.failure, t.cancel_reason, ''), t.question_id::text, t.answer_id::text
    FROM turns t JOIN tenants s ON s.id = t.tenant_id
"""
_MESSAGES = """
    SELECT id::text, turn_id::text AS turn, conversation_id::text AS conversation, role, text, state FROM messages
"""
_EVENTS = """
    SELECT conversation_id::text AS conversation, sequence, coalesce(turn_id::text, '') AS turn, kind, payload
    FROM events
"""


async def _turns(connection: asyncpg.Connection) -> dict[str, Turn]:
    found = {}
    async for row in connection.cursor(_TURNS, prefetch=5_000):
        found[row["id"]] = Turn(*row.values())
    async for row in connection.cursor("SELECT turn_id::text, attempt, provider, estimated FROM usage", prefetch=5_000):
        turn, *values = row.values()
        if turn in found:
            found[turn].usage.append(Usage(*values))
    return found


async def _add_messages(connection: asyncpg.Connection, stored: Stored) -> None:
    async for row in connection.cursor(_MESSAGES, prefetch=5_000):
        message = Message(*row.values())
        if message.turn in stored.turns:
            stored.turns[message.turn].messages.append(message)


def _event(row: Any) -> StoredEvent:
    payload = row["payload"]
    message = payload.get("message") if isinstance(payload.get("message"), dict) else payload.get("partial")
    message = message or {}
    return StoredEvent(
        row["kind"], row["turn"], payload.get("attempt") or 0, message.get("id") or payload.get("message_id") or "",
        message.get("text") or "",
    )  # fmt: skip
