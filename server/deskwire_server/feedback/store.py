"""Statements on feedback. Every one runs in a transaction bound to the tenant."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.feedback.models import Feedback, Figures, ListQuery, Span, Submission, feedback_from_row

_MOST_CATEGORIES = 100
_FIGURES = """count(*) AS count, count(*) FILTER (WHERE f.sentiment = 'positive') AS positive,
    count(f.rating) AS rated, avg(f.rating)::float8 AS mean_rating"""
_CREATED_IN_SPAN = """(CAST(:start AS timestamptz) IS NULL OR f.created_at >= :start)
    AND (CAST(:end AS timestamptz) IS NULL OR f.created_at < :end)"""


async def find_role(
    connection: AsyncConnection, conversation_id: UUID, message_id: UUID, user_id: str | None
) -> tuple[bool, str | None]:
    """Whether there is such a conversation, of this user only unless `user_id` is None, and who wrote the message.

    The message, if it is there, stays until the transaction ends.
    """
    role = (
        await connection.execute(
            text("""
            SELECT m.role FROM messages m JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id
            WHERE m.id = :message AND c.id = :conversation AND (CAST(:user AS text) IS NULL OR c.user_id = :user)
            FOR KEY SHARE OF m
        """),
            {"message": message_id, "conversation": conversation_id, "user": user_id},
        )
    ).scalar()
    if role is not None:
        return True, str(role)
    there = await connection.execute(
        text("SELECT 1 FROM conversations WHERE id = :id AND (CAST(:user AS text) IS NULL OR user_id = :user)"),
        {"id": conversation_id, "user": user_id},
    )
    return there.first() is not None, None


async def put(connection: AsyncConnection, tenant_id: UUID, user_id: str, submission: Submission) -> Feedback:
    """Keep what a user says of an answer, in place of what they said before."""
    row = (
        (
            await connection.execute(
                text("""
            INSERT INTO feedback (tenant_id, conversation_id, message_id, user_id, sentiment, rating, comment,
                                  categories)
            VALUES (:tenant, :conversation, :message, :user, :sentiment, :rating, :comment, :categories)
            ON CONFLICT (tenant_id, message_id, user_id) DO UPDATE
            SET sentiment = excluded.sentiment, rating = excluded.rating, comment = excluded.comment,
                categories = excluded.categories, updated_at = now()
            RETURNING *
        """),
                {
                    "tenant": tenant_id,
                    "conversation": submission.conversation_id,
                    "message": submission.message_id,
                    "user": user_id,
                    "sentiment": submission.sentiment.value,
                    "rating": submission.rating,
                    "comment": submission.comment,
                    "categories": list(submission.categories),
                },
            )
        )
        .mappings()
        .one()
    )
    return feedback_from_row(row)


async def find(connection: AsyncConnection, feedback_id: UUID, user_id: str | None) -> Feedback | None:
    """One feedback, of this user only unless `user_id` is None."""
    row = (
        (
            await connection.execute(
                text("SELECT * FROM feedback WHERE id = :id AND (CAST(:user AS text) IS NULL OR user_id = :user)"),
                {"id": feedback_id, "user": user_id},
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else feedback_from_row(row)


async def list_page(connection: AsyncConnection, query: ListQuery) -> list[Feedback]:
    """Feedback that fits, the one first given latest first."""
    at, place_id = query.before or (None, None)
    rows = (
        await connection.execute(
            text(f"""
            SELECT * FROM feedback f
            WHERE (CAST(:user AS text) IS NULL OR f.user_id = :user)
              AND (CAST(:conversation AS uuid) IS NULL OR f.conversation_id = :conversation)
              AND (CAST(:sentiment AS text) IS NULL OR f.sentiment = :sentiment)
              AND {_CREATED_IN_SPAN}
              AND (CAST(:at AS timestamptz) IS NULL OR (f.created_at, f.id) < (:at, CAST(:place AS uuid)))
            ORDER BY f.created_at DESC, f.id DESC LIMIT :limit
        """),
            {
                "user": query.user_id or None,
                "conversation": query.conversation_id,
                "sentiment": query.sentiment.value if query.sentiment else None,
                **_span(query.created),
                "at": at,
                "place": place_id,
                "limit": query.limit,
            },
        )
    ).mappings()
    return [feedback_from_row(row) for row in rows]


async def figures(connection: AsyncConnection, span: Span) -> Figures:
    """All feedback of a span counted."""
    statement = text(f"SELECT {_FIGURES} FROM feedback f WHERE {_CREATED_IN_SPAN}")
    return _figures((await connection.execute(statement, _span(span))).mappings().one())


async def figures_by_category(connection: AsyncConnection, span: Span) -> list[tuple[str, Figures]]:
    """The most frequent categories of a span, each with the feedback that names it."""
    statement = text(f"""
        SELECT category, {_FIGURES} FROM feedback f, unnest(f.categories) AS category
        WHERE {_CREATED_IN_SPAN} GROUP BY category ORDER BY count(*) DESC, category LIMIT {_MOST_CATEGORIES}
    """)
    rows = (await connection.execute(statement, _span(span))).mappings()
    return [(row["category"], _figures(row)) for row in rows]


async def satisfaction(connection: AsyncConnection, span: Span) -> tuple[int, float | None]:
    """How many conversations were last rated in a span, and their mean rating."""
    row = (
        await connection.execute(
            text("""
            SELECT count(*), avg(satisfaction_rating)::float8 FROM conversations
            WHERE satisfaction_rating IS NOT NULL
              AND (CAST(:start AS timestamptz) IS NULL OR satisfaction_rated_at >= :start)
              AND (CAST(:end AS timestamptz) IS NULL OR satisfaction_rated_at < :end)
        """),
            _span(span),
        )
    ).one()
    return row[0], row[1]


def _span(span: Span) -> dict[str, datetime | None]:
    return {"start": span.start, "end": span.end}


def _figures(row: Any) -> Figures:
    return Figures(row["count"], row["positive"], row["rated"], row["mean_rating"])
