"""Statements on summaries and titles. Every one runs in a transaction bound to the tenant."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.summaries.models import Branch, Exchange

_DEEPEST = 5_000
_BRANCH = f"""
    WITH RECURSIVE branch (depth, turn_id, follows, asked, answered, summary) AS (
        SELECT 1, t.id, t.parent_turn_id, t.question_id, t.answer_id, s.text
        FROM turns t LEFT JOIN summaries s ON s.tenant_id = t.tenant_id AND s.turn_id = t.id WHERE t.id = :turn
        UNION ALL
        SELECT b.depth + 1, t.id, t.parent_turn_id, t.question_id, t.answer_id, s.text
        FROM branch b JOIN turns t ON t.id = b.follows
        LEFT JOIN summaries s ON s.tenant_id = t.tenant_id AND s.turn_id = t.id
        WHERE b.summary IS NULL AND b.depth < {_DEEPEST})
    SELECT b.turn_id, b.summary, coalesce(q.text, '') AS question, coalesce(a.text, '') AS answer
    FROM branch b LEFT JOIN messages q ON q.id = b.asked LEFT JOIN messages a ON a.id = b.answered
    ORDER BY b.depth DESC
"""
_FIRST = """
    SELECT t.id AS turn_id, q.text AS question, coalesce(a.text, '') AS answer
    FROM turns t JOIN messages q ON q.tenant_id = t.tenant_id AND q.id = t.question_id
    LEFT JOIN messages a ON a.tenant_id = t.tenant_id AND a.id = t.answer_id
    WHERE t.conversation_id = :conversation ORDER BY t.first_sequence LIMIT :limit
"""


async def branch(connection: AsyncConnection, conversation_id: UUID, turn_id: UUID) -> Branch | None:
    """What was said up to a turn since the last summary before it; None when the turn or its conversation is gone."""
    count = (
        await connection.execute(
            text("SELECT message_count FROM conversations WHERE id = :id"), {"id": conversation_id}
        )
    ).scalar()
    rows = (await connection.execute(text(_BRANCH), {"turn": turn_id})).all()
    if count is None or not rows:
        return None
    summary = "" if rows[0].summary is None else str(rows[0].summary)
    told = rows if rows[0].summary is None else rows[1:]
    return Branch(summary, tuple(Exchange(row.turn_id, row.question, row.answer) for row in told), count)


async def put_summary(
    connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, turn_id: UUID, summary: str, provider: str
) -> None:
    """Keep a summary of what was said up to a turn, unless there is one."""
    await connection.execute(
        text(
            "INSERT INTO summaries (tenant_id, conversation_id, turn_id, text, provider) "
            "VALUES (:tenant, :conversation, :turn, :text, :provider) ON CONFLICT DO NOTHING"
        ),
        {"tenant": tenant_id, "conversation": conversation_id, "turn": turn_id, "text": summary, "provider": provider},
    )
    # Also brings the summary that the conversation shows up to date.
    await connection.execute(
        text("UPDATE conversations SET is_summarised = true WHERE id = :id"), {"id": conversation_id}
    )


async def set_due(connection: AsyncConnection, conversation_id: UUID, due: int) -> None:
    """Note how many messages the conversation has when it is time to look again."""
    await connection.execute(
        text("UPDATE conversations SET summary_due = :due WHERE id = :id AND summary_due <> :due"),
        {"id": conversation_id, "due": due},
    )


async def awaits_title(connection: AsyncConnection, conversation_id: UUID) -> bool:
    """Whether a conversation is there and nobody has given it a title."""
    found = await connection.execute(
        text("SELECT 1 FROM conversations WHERE id = :id AND NOT title_is_set AND title_made_at IS NULL"),
        {"id": conversation_id},
    )
    return found.first() is not None


async def first_exchanges(connection: AsyncConnection, conversation_id: UUID, limit: int) -> tuple[Exchange, ...]:
    """What was asked first, oldest first."""
    rows = await connection.execute(text(_FIRST), {"conversation": conversation_id, "limit": limit})
    return tuple(Exchange(row.turn_id, row.question, row.answer) for row in rows)


async def put_title(connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, title: str) -> bool:
    """Give a conversation its title, with an event, unless somebody was quicker. Returns whether it is another one.

    An empty title leaves the one that it has for good.
    """
    changed = (
        await connection.execute(
            text("""
            UPDATE conversations c SET title = coalesce(nullif(:title, ''), c.title), title_made_at = now()
            FROM (SELECT id, title FROM conversations WHERE id = :id FOR UPDATE) was
            WHERE c.id = was.id AND NOT c.title_is_set AND c.title_made_at IS NULL RETURNING c.title <> was.title
        """),
            {"id": conversation_id, "title": title},
        )
    ).scalar()
    if changed:
        await connection.execute(
            text("SELECT conversation_changed(:tenant, :id)"), {"tenant": tenant_id, "id": conversation_id}
        )
    return bool(changed)


async def begin_due(connection: AsyncConnection, conversation_id: UUID, due: int) -> bool:
    """The same as `set_due` for a conversation at which nobody has looked. Returns whether it is time already.

    A turn that ends while another is being looked at asks for a title alone: it is asked for here too.
    """
    found = await connection.execute(
        text(
            "UPDATE conversations SET summary_due = CASE summary_due WHEN 0 THEN :due ELSE summary_due END "
            "WHERE id = :id RETURNING message_count >= summary_due"
        ),
        {"id": conversation_id, "due": due},
    )
    return bool(found.scalar())


async def ask_for_summary(connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, turn_id: UUID) -> None:
    """Have a conversation summarised by a job, unless one waits already."""
    await connection.execute(
        text("SELECT job_enqueue('summary', :tenant, :conversation, :turn, 0)"),
        {"tenant": tenant_id, "conversation": conversation_id, "turn": turn_id},
    )


async def count_call(
    connection: AsyncConnection, tenant_id: UUID, turn_id: UUID, row_id: UUID, spent: dict[str, Any]
) -> None:
    """Keep what a call of a provider has cost, with the turn that caused it, as its attempt 0; a known row once."""
    await connection.execute(
        text("""
        INSERT INTO usage (tenant_id, id, turn_id, attempt, user_id, provider, model, input_tokens, output_tokens,
                           cached_input_tokens, estimated)
        SELECT :tenant, :row, t.id, 0, t.user_id, :provider, :model, :input_tokens, :output_tokens,
               :cached_input_tokens, :estimated
        FROM turns t WHERE t.id = :turn
        ON CONFLICT (tenant_id, id) DO NOTHING
    """),
        {"tenant": tenant_id, "row": row_id, "turn": turn_id, "estimated": False, **spent},
    )
