"""The statements of a turn's hot path, and a rehearsal of them for new connections."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import asyncpg

from deskwire_server.ids import uuid7
from deskwire_server.turns.models import NewConversation, fields_of

ACCEPT = "SELECT * FROM turn_accept($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20)"
# Accepts a message, begins its turn where nothing runs before it, and opens its stream: one round trip for all that a
# question needs until its answer.
BEGIN = """
    SELECT b.outcome, b.conversation_id, b.turn_id, b.question_id, b.answer_id, b.state, b.attempt, b.first_sequence,
           b.queue_position, b.interrupted, b.parent_id, b.accepted_at, b.begun_sequence, b.question, b.options,
           b.context, b.history, $2::text AS asker, b.turn_id AS active_turn_id, b.head_message_id, (b.conversation).*
    FROM turn_begin($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21) b
"""
CHECKPOINT = "SELECT turn_checkpoint($1,$2,$3,$4,$5) AS verdict"
FINISH = "SELECT * FROM turn_finish($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)"
WATCH = """
    SELECT (w.conversation).*, w.turn_id, w.answer_id, w.attempt, w.checkpoint, w.active_turn_id, w.head_message_id
    FROM watch_open($1,$2,$3,$4) w
"""
EVENTS = "SELECT * FROM events_after($1,$2,$3,$4)"
_TURNS = 6
"""Turns after which Postgres keeps its plans: it plans the first five anew each time."""
_NO_USAGE = {"provider": "", "model": "", "input_tokens": 0, "output_tokens": 0, "cached_input_tokens": 0}


async def rehearse(connection: Any) -> None:
    """Go through a few turns of a tenant that is never committed, so that all statements and their plans are there."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await _turns(connection)
    except asyncpg.PostgresError:
        await transaction.rollback()
        raise
    # Where the rehearsal is stopped, or Postgres is away, the connection is dropped.
    await transaction.rollback()


async def _turns(connection: Any) -> None:
    name = f"rehearsal-{uuid4().hex}"
    tenant = await connection.fetchval("SELECT id FROM tenant_ensure($1)", name)
    new, worker, talk = fields_of(NewConversation()), uuid4(), None
    for _ in range(_TURNS):
        turn, question, answer = uuid7(), uuid7(), uuid7()
        row = await connection.fetchrow(
            BEGIN, tenant, name, False, talk, None, new, turn, question, answer, str(turn), b"", "?", "?", {}, {},
            "queue", worker, None, None, None, 20,
        )  # fmt: skip
        talk = row["conversation_id"]
        await connection.fetchrow(WATCH, tenant, name, False, talk)
        await connection.fetchrow(CHECKPOINT, tenant, turn, worker, 1, "")
        await connection.fetchrow(
            FINISH, tenant, turn, worker, 1, "completed", "!", "complete", {}, {}, None, [_NO_USAGE]
        )
        await connection.fetch(EVENTS, tenant, talk, 0, 1)
