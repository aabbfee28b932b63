"""Gaps: who may see them, close them and open them again."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db import idempotency
from deskwire_server.db.engine import Database
from deskwire_server.db.idempotency import RequestKey
from deskwire_server.errors import NotFound
from deskwire_server.gaps import store
from deskwire_server.gaps.models import Gap, GapStatus

_READERS = (Role.ADMIN, Role.SERVICE)


class GapService:
    """What administrators and services do with gaps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(
        self, caller: Caller, status: GapStatus, before: tuple[int, UUID] | None, limit: int
    ) -> list[Gap]:
        """Gaps, those asked most often first, behind a place (count, id)."""
        caller.require(*_READERS)
        async with self._database.transaction(caller.tenant_id) as connection:
            return await store.list_page(connection, status, before, limit)

    async def get(self, caller: Caller, gap_id: UUID) -> Gap:
        """One gap with its latest questions. Raises `NotFound`."""
        caller.require(*_READERS)
        async with self._database.transaction(caller.tenant_id) as connection:
            return await _existing(connection, gap_id)

    async def close(self, caller: Caller, gap_id: UUID, article_id: UUID | None, request_id: str) -> Gap:
        """Close a gap, by an article or because it needs none. Raises `NotFound` for either."""
        caller.require(*_READERS)
        key = RequestKey("CloseKnowledgeGap", request_id, {"id": str(gap_id), "article": str(article_id or "")})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            gap = await _existing(connection, gap_id)
            if not is_new:
                return gap
            if article_id is not None and await store.article_changed_at(connection, article_id) is None:
                raise NotFound.of("article")
            await store.close(connection, gap_id, article_id)
            await idempotency.finish(connection, caller, key, gap_id)
            return await _existing(connection, gap_id)

    async def reopen(self, caller: Caller, gap_id: UUID, request_id: str) -> Gap:
        """Open a gap again. Raises `NotFound`."""
        caller.require(*_READERS)
        key = RequestKey("ReopenKnowledgeGap", request_id, {"id": str(gap_id)})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            gap = await _existing(connection, gap_id)
            if not is_new or gap.status is GapStatus.OPEN:
                return gap
            await store.reopen(connection, gap_id)
            await idempotency.finish(connection, caller, key, gap_id)
            return await _existing(connection, gap_id)


async def _existing(connection: AsyncConnection, gap_id: UUID) -> Gap:
    gap = await store.get(connection, gap_id)
    if gap is None:
        raise NotFound.of("gap")
    return replace(gap, questions=await store.questions(connection, gap_id))
