"""Statements on messages and the tree that their turns make. Every one runs in a transaction bound to the tenant."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.conversations.models import Exchange, Message
from deskwire_server.feedback.models import Span, feedback_from_row

_MESSAGE = (
    "id", "conversation_id", "turn_id", "parent_id", "role", "text", "state", "sequence", "request_id", "details",
    "created_at",
)  # fmt: skip
_FEEDBACK = ("id", "message_id", "user_id", "sentiment", "rating", "comment", "categories", "created_at", "updated_at")


def _columns(alias: str, names: tuple[str, ...], prefix: str) -> str:
    return ", ".join(f"{alias}.{name} AS {prefix}{name}" for name in names)


# OFFSET 0 keeps each step a look-up by key: the planner takes the one row of a step for many.
_ACTIVE_BRANCH = """
    SELECT t.id, t.parent_turn_id, t.question_id, t.answer_id FROM conversations c
    JOIN turns t ON t.tenant_id = c.tenant_id AND t.id = c.head_turn_id WHERE c.id = :id
    UNION ALL
    SELECT t.* FROM branch b CROSS JOIN LATERAL (
        SELECT o.id, o.parent_turn_id, o.question_id, o.answer_id FROM turns o
        WHERE o.tenant_id = :tenant AND o.id = b.parent_turn_id OFFSET 0) t
"""
_ON_BRANCH = "SELECT question_id FROM branch UNION ALL SELECT answer_id FROM branch"
# Versions of a question stand under one turn; answers to one question too. Most turns stand there alone.
_PLACES = """
    SELECT array_agg(q.id ORDER BY q.sequence) AS ids FROM forks f
    JOIN messages q ON q.tenant_id = :tenant AND q.id = f.question_id AND q.turn_id = f.id
    GROUP BY f.parent_turn_id HAVING count(*) > 1
    UNION ALL
    SELECT array_agg(a.id ORDER BY a.sequence) FROM forks f
    JOIN messages a ON a.tenant_id = :tenant AND a.id = f.answer_id
    WHERE f.question_id IS NOT NULL GROUP BY f.question_id HAVING count(*) > 1
"""


async def messages_page(
    connection: AsyncConnection,
    tenant_id: UUID,
    conversation_id: UUID,
    *,
    after: int | None,
    newest_first: bool,
    all_branches: bool,
    limit: int,
) -> list[Message]:
    """Messages of the active branch, or of all, behind a sequence, with the feedback of the conversation's user."""
    order, compare = ("DESC", "<") if newest_first else ("ASC", ">")
    on_branch = "" if all_branches else f"AND m.id IN ({_ON_BRANCH})"
    rows = (
        await connection.execute(
            text(f"""
            WITH RECURSIVE branch AS ({_ACTIVE_BRANCH}),
            forks AS MATERIALIZED (
                SELECT * FROM (SELECT t.*, count(*) OVER (PARTITION BY t.parent_turn_id) AS versions FROM turns t
                               WHERE t.tenant_id = :tenant AND t.conversation_id = :id) v WHERE v.versions > 1),
            places AS MATERIALIZED ({_PLACES})
            SELECT {_columns("m", _MESSAGE, "")}, {_columns("f", _FEEDBACK, "feedback_")},
                   (SELECT p.ids FROM places p WHERE m.id = ANY (p.ids)) AS alternatives
            FROM messages m
            JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id
            LEFT JOIN feedback f ON f.tenant_id = m.tenant_id AND f.message_id = m.id AND f.user_id = c.user_id
            WHERE m.tenant_id = :tenant AND m.conversation_id = :id {on_branch}
              AND (CAST(:after AS bigint) IS NULL OR m.sequence {compare} :after)
            ORDER BY m.sequence {order} LIMIT :limit
        """),
            {"tenant": tenant_id, "id": conversation_id, "after": after, "limit": limit},
        )
    ).mappings()
    return [_message(row, alternatives=tuple(row["alternatives"] or ())) for row in rows]


async def newest_through(connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, message_id: UUID) -> Any:
    """The newest turn whose branch goes through a message, None when the conversation has no such message."""
    return (
        await connection.execute(
            text("""
            WITH RECURSIVE below AS (
                SELECT t.id, t.first_sequence FROM turns t
                WHERE t.tenant_id = :tenant AND t.conversation_id = :id AND :message IN (t.question_id, t.answer_id)
                UNION ALL
                SELECT t.* FROM below b CROSS JOIN LATERAL (
                    SELECT o.id, o.first_sequence FROM turns o
                    WHERE o.tenant_id = :tenant AND o.conversation_id = :id AND o.parent_turn_id = b.id OFFSET 0) t)
            SELECT id FROM below ORDER BY first_sequence DESC LIMIT 1
        """),
            {"tenant": tenant_id, "id": conversation_id, "message": message_id},
        )
    ).scalar_one_or_none()


async def set_head(connection: AsyncConnection, conversation_id: UUID, turn_id: UUID) -> bool:
    """Make the branch that ends with a turn the active one. Returns whether it was another one before."""
    moved = await connection.execute(
        text("UPDATE conversations SET head_turn_id = :turn WHERE id = :id AND head_turn_id IS DISTINCT FROM :turn"),
        {"id": conversation_id, "turn": turn_id},
    )
    return bool(moved.rowcount)


async def has_ended(connection: AsyncConnection, turn_id: UUID) -> bool:
    """Whether nothing more will come of a turn."""
    state = await connection.execute(text("SELECT state FROM turns WHERE id = :id"), {"id": turn_id})
    return state.scalar_one_or_none() not in ("queued", "running")


async def history_page(
    connection: AsyncConnection,
    *,
    user_id: str,
    own_only: bool,
    span: Span,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Exchange]:
    """What a user asked and was answered, latest first; in conversations of their own only, or in all."""
    at, place = before or (None, None)
    rows = (
        await connection.execute(
            text(f"""
            SELECT t.id AS turn_id, t.created_at AS asked_at, t.conversation_id, {_columns("q", _MESSAGE, "question_")},
                   {_columns("a", _MESSAGE, "answer_")}, {_columns("f", _FEEDBACK, "feedback_")}
            FROM turns t
            JOIN conversations c ON c.tenant_id = t.tenant_id AND c.id = t.conversation_id
            JOIN messages q ON q.tenant_id = t.tenant_id AND q.id = t.question_id
            LEFT JOIN messages a ON a.tenant_id = t.tenant_id AND a.id = t.answer_id
            LEFT JOIN feedback f ON f.tenant_id = t.tenant_id AND f.message_id = a.id AND f.user_id = c.user_id
            WHERE t.user_id = :user AND (NOT :own OR c.user_id = :user)
              AND (CAST(:start AS timestamptz) IS NULL OR t.created_at >= :start)
              AND (CAST(:end AS timestamptz) IS NULL OR t.created_at < :end)
              AND (CAST(:at AS timestamptz) IS NULL OR (t.created_at, t.id) < (:at, CAST(:place AS uuid)))
            ORDER BY t.created_at DESC, t.id DESC LIMIT :limit
        """),
            {
                "user": user_id, "own": own_only, "start": span.start, "end": span.end, "at": at, "place": place,
                "limit": limit,
            },
        )
    ).mappings()  # fmt: skip
    return [
        Exchange(
            row["turn_id"],
            row["asked_at"],
            _message(row, "question_", rated=False),
            _message(row, "answer_") if row["answer_id"] is not None else None,
        )
        for row in rows
    ]


def _message(row: Any, prefix: str = "", *, alternatives: tuple[UUID, ...] = (), rated: bool = True) -> Message:
    values: dict[str, Any] = {name: row[f"{prefix}{name}"] for name in _MESSAGE}
    feedback = feedback_from_row(row, "feedback_") if rated and row["feedback_id"] is not None else None
    return Message(**values, feedback=feedback, alternatives=alternatives)
