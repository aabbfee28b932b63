"""Statements on intents. Every one runs in a transaction bound to the tenant."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.intents.errors import name_taken
from deskwire_server.intents.models import Intent, IntentDraft, IntentPage, IntentPatch, Loaded, OfferedAction

_COLUMNS = "id, name, description, actions, version, created_at, updated_at, cardinality(examples) AS example_count"
_EXAMPLES_OF_A_PAGE = 10_000


async def lock(connection: AsyncConnection, tenant_id: UUID) -> tuple[int, int]:
    """Keep others of the tenant from adding intents until the end; returns how many intents and examples there are."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"intents:{tenant_id}"}
    )
    row = (
        await connection.execute(text("SELECT count(*), coalesce(sum(cardinality(examples)), 0) FROM intents"))
    ).one()
    return int(row[0]), int(row[1])


async def insert(connection: AsyncConnection, tenant_id: UUID, draft: IntentDraft) -> Intent:
    """Make an intent. Raises `AlreadyExists`."""
    statement = text(f"""
        INSERT INTO intents (tenant_id, name, description, examples, actions)
        VALUES (:tenant, :name, :description, :examples, CAST(:actions AS jsonb)) RETURNING {_COLUMNS}, examples
    """)
    parameters = {
        "tenant": tenant_id, "name": draft.name, "description": draft.description, "examples": list(draft.examples),
        "actions": _json(draft.actions),
    }  # fmt: skip
    return _intent(await _one(connection, statement, parameters))


async def find(connection: AsyncConnection, intent_id: UUID, *, lock: bool = False) -> Intent | None:
    """One intent with its examples; `lock` keeps others from changing it until the transaction ends."""
    end = " FOR UPDATE" if lock else ""
    statement = text(f"SELECT {_COLUMNS}, examples FROM intents WHERE id = :id{end}")
    row = (await connection.execute(statement, {"id": intent_id})).mappings().first()
    return None if row is None else _intent(row)


async def change(connection: AsyncConnection, intent_id: UUID, patch: IntentPatch) -> Intent:
    """Change an intent that is there. Raises `AlreadyExists`."""
    statement = text(f"""
        UPDATE intents SET name = coalesce(:name, name), description = coalesce(:description, description),
            examples = coalesce(CAST(:examples AS text[]), examples),
            actions = coalesce(CAST(:actions AS jsonb), actions), version = version + 1, updated_at = now()
        WHERE id = :id RETURNING {_COLUMNS}, examples
    """)
    parameters = {
        "id": intent_id, "name": patch.name, "description": patch.description,
        "examples": None if patch.examples is None else list(patch.examples),
        "actions": None if patch.actions is None else _json(patch.actions),
    }  # fmt: skip
    return _intent(await _one(connection, statement, parameters))


async def remove(connection: AsyncConnection, intent_id: UUID) -> None:
    """Delete an intent."""
    await connection.execute(text("DELETE FROM intents WHERE id = :id"), {"id": intent_id})


async def page(connection: AsyncConnection, *, after: str | None, limit: int, with_examples: bool) -> IntentPage:
    """Intents by name. A page with examples ends early when it has many."""
    total = (await connection.execute(text("SELECT count(*) FROM intents"))).scalar_one()
    columns = f"{_COLUMNS}, examples" if with_examples else _COLUMNS
    statement = text(f"""
        SELECT * FROM (
            SELECT {columns}, sum(cardinality(examples)) OVER (ORDER BY name COLLATE "C") AS so_far FROM intents
            WHERE CAST(:after AS text) IS NULL OR name COLLATE "C" > :after
        ) listed WHERE NOT :bounded OR so_far - example_count < :most ORDER BY name COLLATE "C" LIMIT :limit
    """)
    parameters = {"after": after, "limit": limit + 1, "bounded": with_examples, "most": _EXAMPLES_OF_A_PAGE}
    rows = (await connection.execute(statement, parameters)).mappings().all()
    shown = [_intent(row) for row in rows[:limit]]
    last = shown[-1].name if shown else None
    more = False
    if last is not None:
        rest = text('SELECT EXISTS (SELECT 1 FROM intents WHERE name COLLATE "C" > :last)')
        more = bool((await connection.execute(rest, {"last": last})).scalar())
    return IntentPage(tuple(shown), last if more else None, int(total))


async def load(connection: AsyncConnection) -> Loaded:
    """All intents with their examples, by name."""
    statement = text('SELECT name, description, examples, actions FROM intents ORDER BY name COLLATE "C"')
    rows = (await connection.execute(statement)).all()
    return Loaded(
        tuple(row.name for row in rows),
        tuple(row.description for row in rows),
        tuple(tuple(row.examples) for row in rows),
        {row.name: row.actions for row in rows if row.actions},
    )


async def revision(connection: AsyncConnection) -> tuple[int, str]:
    """How many examples there are, and what differs after each change of an intent."""
    row = (
        await connection.execute(
            text("SELECT coalesce(sum(cardinality(examples)), 0), count(*), sum(version), max(updated_at) FROM intents")
        )
    ).one()
    return int(row[0]), f"{row[1]}:{row[2]}:{row[3]}"


async def _one(connection: AsyncConnection, statement: Any, parameters: dict[str, Any]) -> Any:
    try:
        async with connection.begin_nested():
            return (await connection.execute(statement, parameters)).mappings().one()
    except IntegrityError as error:
        raise name_taken() from error


def _json(actions: tuple[OfferedAction, ...]) -> str:
    return orjson.dumps([asdict(action) for action in actions]).decode()


def _intent(row: Any) -> Intent:
    return Intent(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        examples=tuple(row["examples"]) if "examples" in row else (),
        example_count=row["example_count"],
        actions=tuple(OfferedAction(**action) for action in row["actions"]),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
