"""Statements on gaps. Every one runs in a transaction bound to the tenant."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.gaps.models import Gap, GapQuestion, GapStatus, Known, Unanswered

_SHOWN = 10
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('deskwire.gaps/' || CAST(:tenant AS text), 0))")


async def try_lock(connection: AsyncConnection, tenant_id: UUID) -> bool:
    """Whether this transaction is the only one that groups questions of the tenant; it then stays so until its end."""
    return bool((await connection.execute(_LOCK, {"tenant": str(tenant_id)})).scalar_one())


async def unanswered(connection: AsyncConnection, limit: int) -> list[Unanswered]:
    """Answers that say "I do not know", or are unsure, whose questions belong to no gap yet; oldest first."""
    found = await connection.execute(
        text("""
            SELECT a.turn_id, a.conversation_id, a.id AS answer_id, c.user_id, q.text, q.created_at
            FROM messages a
            JOIN turns t ON t.tenant_id = a.tenant_id AND t.id = a.turn_id
            JOIN messages q ON q.tenant_id = t.tenant_id AND q.id = t.question_id
            JOIN conversations c ON c.tenant_id = a.tenant_id AND c.id = a.conversation_id
            WHERE answer_is_unsure(a) AND a.created_at > now() - interval '30 days'
              AND NOT EXISTS (SELECT FROM gap_questions g WHERE g.tenant_id = a.tenant_id AND g.turn_id = a.turn_id)
            ORDER BY a.created_at LIMIT :limit
        """),
        {"limit": limit},
    )
    return [Unanswered(*row) for row in found.all()]


async def known(connection: AsyncConnection, embedder: str) -> list[Known]:
    """Gaps that a new question may belong to."""
    found = await connection.execute(
        text("""
            SELECT id, question, CASE WHEN embedder = :embedder THEN vector ELSE ''::bytea END AS vector
            FROM knowledge_gaps ORDER BY last_asked_at DESC LIMIT 5000
        """),
        {"embedder": embedder},
    )
    return [Known(row.id, row.question, bytes(row.vector)) for row in found.all()]


async def open_gap(
    connection: AsyncConnection, tenant_id: UUID, question: str, embedder: str, vector: bytes, asked_at: datetime
) -> UUID:
    """A new gap for a question."""
    made = await connection.execute(
        text("""
            INSERT INTO knowledge_gaps (tenant_id, question, embedder, vector, first_asked_at, last_asked_at)
            VALUES (:tenant, :question, :embedder, :vector, :asked, :asked) RETURNING id
        """),
        {"tenant": tenant_id, "question": question, "embedder": embedder, "vector": vector, "asked": asked_at},
    )
    gap_id: UUID = made.scalar_one()
    return gap_id


async def add(connection: AsyncConnection, tenant_id: UUID, gap_id: UUID | None, asked: Unanswered) -> None:
    """Note a question with its gap; without one only that it was looked at. A closed gap it came after opens again."""
    await connection.execute(
        text("""
            INSERT INTO gap_questions (tenant_id, turn_id, gap_id, conversation_id, answer_id, user_id, text, asked_at)
            VALUES (:tenant, :turn, :gap, :conversation, :answer, :user, :text, :asked) ON CONFLICT DO NOTHING
        """),
        {
            "tenant": tenant_id,
            "turn": asked.turn_id,
            "gap": gap_id,
            "conversation": asked.conversation_id,
            "answer": asked.answer_id,
            "user": asked.user_id,
            "text": asked.text,
            "asked": asked.asked_at,
        },
    )
    await connection.execute(
        text("""
            UPDATE knowledge_gaps SET last_asked_at = greatest(last_asked_at, :asked),
                status = CASE WHEN :asked > closed_at THEN 'open' ELSE status END,
                article_id = CASE WHEN :asked > closed_at THEN NULL ELSE article_id END,
                closed_at = CASE WHEN :asked > closed_at THEN NULL ELSE closed_at END
            WHERE id = :gap
        """),
        {"gap": gap_id, "asked": asked.asked_at},
    )


async def to_check(connection: AsyncConnection, limit: int) -> list[Gap]:
    """Open gaps that were not looked at since an article last changed."""
    found = await connection.execute(
        text(f"""
            SELECT {_COLUMNS} FROM knowledge_gaps g
            WHERE g.status = 'open' AND g.checked_at < (SELECT max(a.updated_at) FROM articles a)
            ORDER BY g.last_asked_at DESC LIMIT :limit
        """),
        {"limit": limit},
    )
    return [_gap(row) for row in found.mappings()]


async def article_changed_at(connection: AsyncConnection, article_id: UUID) -> datetime | None:
    """When an article last changed; None when it is gone."""
    found = await connection.execute(text("SELECT updated_at FROM articles WHERE id = :id"), {"id": article_id})
    changed: datetime | None = found.scalar_one_or_none()
    return changed


async def checked(connection: AsyncConnection, gap_id: UUID) -> None:
    """Note that a gap was looked at."""
    await connection.execute(text("UPDATE knowledge_gaps SET checked_at = now() WHERE id = :id"), {"id": gap_id})


async def close(connection: AsyncConnection, gap_id: UUID, article_id: UUID | None) -> None:
    """Close a gap."""
    await connection.execute(
        text("""
            UPDATE knowledge_gaps SET status = 'closed', article_id = :article, closed_at = coalesce(closed_at, now())
            WHERE id = :id
        """),
        {"id": gap_id, "article": article_id},
    )


async def reopen(connection: AsyncConnection, gap_id: UUID) -> None:
    """Open a gap again; it is not closed by itself before an article changes."""
    await connection.execute(
        text("""
            UPDATE knowledge_gaps SET status = 'open', article_id = NULL, closed_at = NULL, checked_at = now()
            WHERE id = :id
        """),
        {"id": gap_id},
    )


async def get(connection: AsyncConnection, gap_id: UUID) -> Gap | None:
    """One gap, without its questions."""
    found = await connection.execute(text(f"SELECT {_COLUMNS} FROM knowledge_gaps g WHERE g.id = :id"), {"id": gap_id})
    row = found.mappings().first()
    return None if row is None else _gap(row)


async def questions(connection: AsyncConnection, gap_id: UUID) -> tuple[GapQuestion, ...]:
    """Latest questions of a gap."""
    found = await connection.execute(
        text("""
            SELECT text, conversation_id, answer_id, asked_at FROM gap_questions WHERE gap_id = :id
            ORDER BY asked_at DESC, turn_id DESC LIMIT :limit
        """),
        {"id": gap_id, "limit": _SHOWN},
    )
    return tuple(GapQuestion(*row) for row in found.all())


async def list_page(
    connection: AsyncConnection, status: GapStatus, before: tuple[int, UUID] | None, limit: int
) -> list[Gap]:
    """Gaps by how often they were asked, those behind a place (count, id)."""
    count, last = before or (None, None)
    found = await connection.execute(
        text(f"""
            SELECT * FROM (SELECT {_COLUMNS} FROM knowledge_gaps g WHERE g.status = :status) gap
            WHERE CAST(:count AS int) IS NULL OR (gap.count, gap.id) < (CAST(:count AS int), CAST(:last AS uuid))
            ORDER BY gap.count DESC, gap.id DESC LIMIT :limit
        """),
        {"status": status.value, "count": count, "last": last, "limit": limit},
    )
    return [_gap(row) for row in found.mappings()]


_COLUMNS = """
    g.id, g.question, g.status, g.article_id, g.first_asked_at, g.last_asked_at, g.closed_at,
    (SELECT count(*) FROM gap_questions q WHERE q.tenant_id = g.tenant_id AND q.gap_id = g.id)::int AS count,
    (SELECT count(DISTINCT q.user_id) FROM gap_questions q WHERE q.tenant_id = g.tenant_id AND q.gap_id = g.id)::int
        AS users
"""


def _gap(row: RowMapping) -> Gap:
    return Gap(
        row["id"],
        row["question"],
        row["count"],
        row["users"],
        GapStatus(row["status"]),
        row["article_id"],
        row["first_asked_at"],
        row["last_asked_at"],
        row["closed_at"],
    )
