"""Loads the demo tenant once: its row, its users, its articles. Loading again is quick and changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db.engine import Database
from deskwire_server.demo.content import TENANT, TENANT_NAME, DemoUser, articles, fingerprint, users
from deskwire_server.embeddings.port import Embedder
from deskwire_server.errors import Unavailable
from deskwire_server.knowledge.models import ImportOutcome
from deskwire_server.knowledge.parse import Document
from deskwire_server.knowledge.service import KnowledgeService

_POLL = 0.2
_SETTINGS_KEY = "demoContent"

_UPSERT_USER = text("""
    INSERT INTO users (tenant_id, user_id, display_name, email, role, attributes)
    VALUES (:tenant_id, :user_id, :display_name, :email, :role, CAST(:attributes AS jsonb))
    ON CONFLICT (tenant_id, user_id) DO UPDATE
    SET display_name = EXCLUDED.display_name, email = EXCLUDED.email, role = EXCLUDED.role,
        attributes = EXCLUDED.attributes
""")
_REMEMBER = text("""
    UPDATE tenants SET settings = settings || CAST(:settings AS jsonb) WHERE id = :tenant_id
""")


class DemoError(Exception):
    """The demo tenant could not be loaded; the message says why, for a person."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a run did."""

    changed: bool
    """False when everything was there already."""
    articles: int = 0
    users: int = 0


async def load_demo(database: Database, embedder: Embedder | None, *, embedder_timeout: float = 20.0) -> Loaded:
    """Bring the demo tenant to what the files hold. Raises `DemoError`, `DatabaseUnavailable`.

    What was loaded is remembered by a fingerprint with the tenant, so that a person's own changes to the articles stay
    until the files change. An embedder gets `embedder_timeout` seconds to come up; if it does not, the articles go in
    without vectors and the next run adds them.
    """
    row = await database.fetchrow("SELECT id, settings FROM tenant_ensure($1)", TENANT)
    if row is None:
        raise DemoError(f"the tenant {TENANT!r} could not be made")
    tenant_id: UUID = row["id"]
    wanted = fingerprint()
    if (row["settings"] or {}).get(_SETTINGS_KEY) == wanted:
        return Loaded(changed=False)
    people = users()
    async with database.transaction(tenant_id) as connection:
        for person in people:
            await _upsert(connection, tenant_id, person)
    ready = embedder if embedder is not None and await _is_up(embedder, embedder_timeout) else None
    count = await _import(KnowledgeService(database, ready), tenant_id)
    if embedder is None or ready is not None:
        settings = {_SETTINGS_KEY: wanted, "companyName": TENANT_NAME}
        async with database.transaction(tenant_id) as connection:
            await connection.execute(_REMEMBER, {"tenant_id": tenant_id, "settings": orjson.dumps(settings).decode()})
    return Loaded(changed=True, articles=count, users=len(people))


async def _upsert(connection: AsyncConnection, tenant_id: UUID, person: DemoUser) -> None:
    await connection.execute(
        _UPSERT_USER,
        {
            "tenant_id": tenant_id,
            "user_id": person.user_id,
            "display_name": person.display_name,
            "email": person.email,
            "role": person.role,
            "attributes": orjson.dumps(person.attributes).decode(),
        },
    )


async def _import(knowledge: KnowledgeService, tenant_id: UUID) -> int:
    caller = Caller(tenant_id, TENANT, "demo-loader", Role.SERVICE)
    failed: list[str] = []
    count = 0
    async with aclosing(knowledge.import_documents(caller, _documents())) as results:
        async for result in results:
            count += 1
            if result.outcome is ImportOutcome.FAILED:
                failed.append(f"{result.source_path}: {result.message}")
    if failed:
        raise DemoError("articles were refused: " + "; ".join(failed))
    await knowledge.embed_pending(tenant_id)
    return count


async def _documents() -> AsyncIterator[Document]:
    for article in articles():
        yield Document(source_path=article.source_path, data=article.data)


async def _is_up(embedder: Embedder, timeout: float) -> bool:
    """Whether `embedder` answers within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            await embedder.embed(["ready?"], purpose="query")
        except Unavailable:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL)
        else:
            return True
