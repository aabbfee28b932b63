"""Changes to single articles, each at most once for a request id."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db import idempotency
from deskwire_server.db.engine import Database
from deskwire_server.db.idempotency import RequestKey
from deskwire_server.errors import NotFound
from deskwire_server.knowledge import store
from deskwire_server.knowledge.models import Article, ArticleDraft, ArticlePatch
from deskwire_server.knowledge.service import KnowledgeService


class ArticleEditor:
    """Prepares a change outside of a transaction, then claims the request id and writes in one."""

    def __init__(self, database: Database, knowledge: KnowledgeService) -> None:
        self._database = database
        self._knowledge = knowledge

    async def create(self, caller: Caller, draft: ArticleDraft, request_id: str) -> Article:
        """Make an article. Raises `AlreadyExists`, `InvalidArgument`, `PermissionDenied`."""
        key = RequestKey("CreateArticle", request_id, asdict(draft))
        prepared = await self._knowledge.prepare_create(caller, draft)
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, known = await idempotency.begin(connection, caller, key)
            if not is_new and known is not None:
                first = await store.get(connection, caller.tenant_id, known)
                if first is None:
                    raise NotFound.of("article")
                return first
            made = await self._knowledge.create_in(connection, caller, prepared)
            await idempotency.finish(connection, caller, key, made.id)
            return made

    async def update(
        self, caller: Caller, article_id: UUID, patch: ArticlePatch, *, etag: str, request_id: str
    ) -> Article:
        """Change an article. Raises `NotFound`, `Aborted` for a stale etag, `InvalidArgument`."""
        key = RequestKey("UpdateArticle", request_id, {"id": str(article_id), "etag": etag, **asdict(patch)})
        caller.require(Role.ADMIN, Role.SERVICE)
        async with self._database.transaction(caller.tenant_id) as connection:
            if await idempotency.is_known(connection, caller, key):
                current = await store.get(connection, caller.tenant_id, article_id)
                if current is None:
                    raise NotFound.of("article")
                return current
        update = await self._knowledge.prepare_update(caller, article_id, patch, etag=etag)
        async with self._database.transaction(caller.tenant_id) as connection:
            await idempotency.begin(connection, caller, key)
            written = await self._knowledge.update_in(connection, caller, article_id, update)
            await idempotency.finish(connection, caller, key, article_id)
            return written

    async def delete(self, caller: Caller, article_id: UUID, *, etag: str, request_id: str) -> None:
        """Delete an article. Raises `NotFound`, `Aborted` for a stale etag."""
        key = RequestKey("DeleteArticle", request_id, {"id": str(article_id), "etag": etag})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            if is_new:
                await self._knowledge.delete_in(connection, caller, article_id, etag=etag)
                await idempotency.finish(connection, caller, key, article_id)
