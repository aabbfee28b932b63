"""Statements on users' questions and their vectors. Every one runs in a transaction bound to the tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_ANSWERED = """EXISTS (
    SELECT 1 FROM messages a WHERE a.tenant_id = m.tenant_id AND a.turn_id = m.turn_id AND a.state = 'complete'
      AND (a.role = 'agent' OR a.role = 'assistant' AND coalesce((a.details ->> 'grounded')::boolean, true)))"""


@dataclass(frozen=True, slots=True)
class Question:
    """What a user asked."""

    id: UUID
    text: str
    user_id: str
    created_at: datetime
    intent: str
    answered: bool
    vector: bytes | None
    """As it is kept for the embedder, None where it must be made."""


async def count(connection: AsyncConnection, start: datetime, end: datetime) -> int:
    """Questions of a span."""
    statement = text("SELECT count(*) FROM messages WHERE role = 'user' AND created_at >= :start AND created_at < :end")
    return int((await connection.execute(statement, {"start": start, "end": end})).scalar_one())


async def questions(
    connection: AsyncConnection, start: datetime, end: datetime, *, embedder: str, limit: int
) -> list[Question]:
    """The latest questions of a span with whether they were answered."""
    statement = text(f"""
        SELECT m.id, m.text, c.user_id, m.created_at, v.vector, {_ANSWERED} AS answered,
            coalesce((SELECT a.details ->> 'intent' FROM messages a WHERE a.tenant_id = m.tenant_id
                      AND a.turn_id = m.turn_id AND a.role = 'assistant' AND a.details IS NOT NULL LIMIT 1), '')
                AS intent
        FROM messages m
        JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id
        LEFT JOIN question_vectors v
            ON v.tenant_id = m.tenant_id AND v.message_id = m.id AND v.embedder = :embedder
        WHERE m.role = 'user' AND m.created_at >= :start AND m.created_at < :end
        ORDER BY m.created_at DESC, m.id DESC LIMIT :limit
    """)
    parameters = {"start": start, "end": end, "embedder": embedder, "limit": limit}
    rows = (await connection.execute(statement, parameters)).all()
    return [
        Question(
            row.id, row.text, row.user_id, row.created_at, row.intent, row.answered,
            None if row.vector is None else bytes(row.vector),
        )
        for row in rows
    ]  # fmt: skip


async def keep_vectors(connection: AsyncConnection, tenant_id: UUID, embedder: str, made: Mapping[UUID, bytes]) -> None:
    """Keep vectors of questions; of those deleted in between nothing is kept."""
    ordered: Sequence[UUID] = sorted(made)
    statement = text("""
        INSERT INTO question_vectors (tenant_id, message_id, embedder, vector)
        SELECT :tenant, m.id, :embedder, new.v
        FROM unnest(CAST(:ids AS uuid[]), CAST(:vectors AS bytea[])) AS new (id, v)
        JOIN messages m ON m.tenant_id = :tenant AND m.id = new.id
        ON CONFLICT DO NOTHING
    """)
    await connection.execute(
        statement,
        {"tenant": tenant_id, "embedder": embedder, "ids": list(ordered), "vectors": [made[key] for key in ordered]},
    )
