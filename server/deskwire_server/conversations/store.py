"""Statements on conversations. Every one runs in a transaction bound to the tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.conversations.models import Conversation, ConversationStatus, conversation_from_row

_ACTIVE_TURN = """(SELECT t.id FROM turns t WHERE t.tenant_id = c.tenant_id AND t.conversation_id = c.id
    AND t.state IN ('queued', 'running') ORDER BY t.first_sequence LIMIT 1) AS active_turn_id"""
_HEAD_MESSAGE = """(SELECT coalesce(m.id, t.question_id) FROM turns t
    LEFT JOIN messages m ON m.tenant_id = t.tenant_id AND m.id = t.answer_id
    WHERE t.tenant_id = c.tenant_id AND t.id = c.head_turn_id) AS head_message_id"""
_SELECT = f"SELECT c.*, {_ACTIVE_TURN}, {_HEAD_MESSAGE} FROM conversations c"
_CHANGEABLE = ("name", "email", "phone", "company", "title", "tags", "metadata")


async def insert(
    connection: AsyncConnection, tenant_id: UUID, user_id: str, session_id: str | None, fields: Mapping[str, Any]
) -> Conversation | None:
    """Make a conversation; None when the user's session has one already."""
    row = (
        (
            await connection.execute(
                text("""
            INSERT INTO conversations (tenant_id, user_id, session_id, visitor_id, title, title_is_set, name, email,
                                       phone, company, tags, metadata)
            VALUES (:tenant, :user, :session, :visitor_id, :title, :title <> '', :name, :email, :phone, :company,
                    :tags, :metadata)
            ON CONFLICT (tenant_id, user_id, session_id) WHERE session_id IS NOT NULL DO NOTHING
            RETURNING *, NULL::uuid AS active_turn_id, NULL::uuid AS head_message_id
        """).bindparams(*_json("metadata")),
                {"tenant": tenant_id, "user": user_id, "session": session_id, **fields},
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else conversation_from_row(row)


async def find(
    connection: AsyncConnection, conversation_id: UUID, user_id: str | None, *, lock: bool = False
) -> Conversation | None:
    """A conversation, of this user only unless `user_id` is None."""
    row = (
        (
            await connection.execute(
                text(
                    f"{_SELECT} WHERE c.id = :id AND (CAST(:user AS text) IS NULL OR c.user_id = :user)"
                    + (" FOR UPDATE OF c" if lock else "")
                ),
                {"id": conversation_id, "user": user_id},
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else conversation_from_row(row)


async def find_by_session(connection: AsyncConnection, user_id: str, session_id: str) -> Conversation | None:
    """The conversation of a user's session."""
    row = (
        (
            await connection.execute(
                text(f"{_SELECT} WHERE c.user_id = :user AND c.session_id = :session"),
                {"user": user_id, "session": session_id},
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else conversation_from_row(row)


async def list_page(
    connection: AsyncConnection,
    *,
    user_id: str | None,
    statuses: Sequence[ConversationStatus],
    query: str,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Conversation]:
    """Conversations by latest activity, those before a place."""
    at, place_id = before or (None, None)
    rows = (
        await connection.execute(
            text(f"""
            {_SELECT}
            WHERE (CAST(:user AS text) IS NULL OR c.user_id = :user)
              AND (cardinality(CAST(:statuses AS text[])) = 0 OR c.status = ANY(CAST(:statuses AS text[])))
              AND (:query = '' OR strpos(lower(c.title), lower(:query)) > 0)
              AND (CAST(:at AS timestamptz) IS NULL OR (c.updated_at, c.id) < (:at, CAST(:place AS uuid)))
            ORDER BY c.updated_at DESC, c.id DESC LIMIT :limit
        """),
            {
                "user": user_id,
                "statuses": [status.value for status in statuses],
                "query": query,
                "at": at,
                "place": place_id,
                "limit": limit,
            },
        )
    ).mappings()
    return [conversation_from_row(row) for row in rows]


async def update(connection: AsyncConnection, conversation_id: UUID, changes: Mapping[str, Any]) -> None:
    """Set fields and move the version on. Keys must be changeable fields."""
    unknown = set(changes) - set(_CHANGEABLE)
    if unknown:
        raise ValueError(f"not changeable: {sorted(unknown)}")
    sets = "".join(f", {name} = :{name}" for name in changes)
    if "title" in changes:
        sets += ", title_is_set = true"
    statement = text(f"UPDATE conversations SET version = version + 1, updated_at = now(){sets} WHERE id = :id")
    if "metadata" in changes:
        statement = statement.bindparams(*_json("metadata"))
    await connection.execute(statement, {"id": conversation_id, **changes})


async def end(connection: AsyncConnection, conversation_id: UUID, status: ConversationStatus) -> None:
    """Close an active conversation."""
    await connection.execute(
        text(
            "UPDATE conversations SET status = :status, ended_at = now(), updated_at = now(), version = version + 1 "
            "WHERE id = :id"
        ),
        {"id": conversation_id, "status": status.value},
    )


async def rate(connection: AsyncConnection, conversation_id: UUID, rating: int) -> None:
    """Set how satisfied its user is."""
    await connection.execute(
        text(
            "UPDATE conversations SET satisfaction_rating = :rating, satisfaction_rated_at = now(), "
            "updated_at = now(), version = version + 1 WHERE id = :id"
        ),
        {"id": conversation_id, "rating": rating},
    )


async def note_change(connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID) -> int:
    """Add the event that tells what a conversation is like now, and return its sequence."""
    return int(
        (
            await connection.execute(
                text("SELECT conversation_changed(:tenant, :id)"), {"tenant": tenant_id, "id": conversation_id}
            )
        ).scalar_one()
    )


def _json(name: str) -> list[BindParameter[Any]]:
    return [bindparam(name, type_=JSONB)]
