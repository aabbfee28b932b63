"""Statements on conversations and their messages. Every one runs in a transaction bound to the tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.conversations.models import Conversation, ConversationStatus, Message, conversation_from_row
from deskwire_server.feedback.models import feedback_from_row

_ACTIVE_TURN = """(SELECT t.id FROM turns t WHERE t.tenant_id = c.tenant_id AND t.conversation_id = c.id
    AND t.state IN ('queued', 'running') ORDER BY t.first_sequence LIMIT 1) AS active_turn_id"""
_SELECT = f"SELECT c.*, {_ACTIVE_TURN} FROM conversations c"
_COLUMNS = ("id", "message_id", "user_id", "sentiment", "rating", "comment", "categories", "created_at", "updated_at")
_FEEDBACK = ", ".join(f"f.{name} AS feedback_{name}" for name in _COLUMNS)
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
            RETURNING *, NULL::uuid AS active_turn_id
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


async def append_event(
    connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, kind: str, payload: Mapping[str, Any]
) -> int:
    """Add a durable event and return its sequence."""
    return int(
        (
            await connection.execute(
                text("SELECT event_append(:tenant, :id, NULL, :kind, :payload)").bindparams(*_json("payload")),
                {"tenant": tenant_id, "id": conversation_id, "kind": kind, "payload": dict(payload)},
            )
        ).scalar_one()
    )


async def messages_page(
    connection: AsyncConnection, conversation_id: UUID, *, after: int | None, newest_first: bool, limit: int
) -> list[Message]:
    """Messages behind a sequence, in the order asked for, with the feedback of the conversation's user."""
    order, compare = ("DESC", "<") if newest_first else ("ASC", ">")
    rows = (
        await connection.execute(
            text(f"""
            SELECT m.*, {_FEEDBACK} FROM messages m
            JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id
            LEFT JOIN feedback f ON f.tenant_id = m.tenant_id AND f.message_id = m.id AND f.user_id = c.user_id
            WHERE m.conversation_id = :id AND (CAST(:after AS bigint) IS NULL OR m.sequence {compare} :after)
            ORDER BY m.sequence {order} LIMIT :limit
        """),
            {"id": conversation_id, "after": after, "limit": limit},
        )
    ).mappings()
    return [
        Message(
            row["id"],
            row["conversation_id"],
            row["turn_id"],
            row["parent_id"],
            row["role"],
            row["text"],
            row["state"],
            row["sequence"],
            row["request_id"],
            row["details"],
            row["created_at"],
            feedback_from_row(row, "feedback_") if row["feedback_id"] is not None else None,
        )
        for row in rows
    ]


def _json(name: str) -> list[BindParameter[Any]]:

    return [bindparam(name, type_=JSONB)]
