"""Sources: who may set them up, change them, and have them synchronised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db import idempotency
from deskwire_server.db.engine import Database
from deskwire_server.db.idempotency import RequestKey
from deskwire_server.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.sources import store
from deskwire_server.sources.addresses import AddressGuard
from deskwire_server.sources.fetch import same_site
from deskwire_server.sources.models import SHORTEST_INTERVAL, Page, Source, SourceDraft, SourcePatch
from deskwire_server.tidy import tidy

_MOST_SOURCES = 100
_MANAGERS = (Role.ADMIN, Role.SERVICE)


class SourceService:
    """What administrators and services do with sources."""

    def __init__(
        self, database: Database, knowledge: KnowledgeService, guard: AddressGuard, wake: Callable[[], None]
    ) -> None:
        """`wake` tells this worker that a source is due."""
        self._database = database
        self._knowledge = knowledge
        self._guard = guard
        self._wake = wake

    async def create(self, caller: Caller, draft: SourceDraft, request_id: str) -> Source:
        """Make a source and have it synchronised. Raises `InvalidArgument`, `AlreadyExists`, `FailedPrecondition`."""
        caller.require(*_MANAGERS)
        key = RequestKey("CreateSource", request_id, asdict(draft))
        draft = replace(draft, tags=tidy(draft.tags))
        _check_interval(draft.sync_seconds)
        url, sitemap_url = await self._checked(draft.url, draft.sitemap_url)
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, known = await idempotency.begin(connection, caller, key)
            if not is_new and known is not None:
                return await _existing(connection, known)
            if await store.count(connection) >= _MOST_SOURCES:
                raise FailedPrecondition(
                    f"a tenant may have {_MOST_SOURCES} sources",
                    reason="SOURCE_LIMIT_REACHED",
                    metadata={"limit": str(_MOST_SOURCES)},
                )
            made = await store.create(connection, caller.tenant_id, replace(draft, url=url, sitemap_url=sitemap_url))
            await idempotency.finish(connection, caller, key, made)
            source = await _existing(connection, made)
        self._wake()
        return source

    async def get(self, caller: Caller, source_id: UUID) -> Source:
        """One source. Raises `NotFound`."""
        caller.require(*_MANAGERS)
        async with self._database.transaction(caller.tenant_id) as connection:
            return await _existing(connection, source_id)

    async def list_page(self, caller: Caller, after: str, limit: int) -> list[Source]:
        """Sources by name, those after one name."""
        caller.require(*_MANAGERS)
        async with self._database.transaction(caller.tenant_id) as connection:
            return await store.list_page(connection, after, limit)

    async def update(
        self, caller: Caller, source_id: UUID, patch: SourcePatch, *, etag: str, request_id: str
    ) -> Source:
        """Change a source. Raises `NotFound`, `Aborted` for a stale etag, `InvalidArgument`."""
        caller.require(*_MANAGERS)
        key = RequestKey("UpdateSource", request_id, {"id": str(source_id), "etag": etag, **asdict(patch)})
        current = await self.get(caller, source_id)
        if patch.sync_seconds is not None:
            _check_interval(patch.sync_seconds)
        if patch.url is not None or patch.sitemap_url is not None:
            url = current.url if patch.url is None else patch.url
            sitemap_url = current.sitemap_url if patch.sitemap_url is None else patch.sitemap_url
            url, sitemap_url = await self._checked(url, sitemap_url)
            patch = replace(patch, url=url, sitemap_url=sitemap_url)
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            current = await _existing(connection, source_id, lock=True)
            if not is_new:
                return current
            if etag and etag != str(current.version):
                raise Aborted("somebody else changed the source meanwhile")
            changes = patch.changes()
            if changes:
                await store.update(connection, source_id, changes)
                await store.reschedule(connection, source_id)
            await idempotency.finish(connection, caller, key, source_id)
            return await _existing(connection, source_id)

    async def delete(self, caller: Caller, source_id: UUID, *, keep_articles: bool, request_id: str) -> None:
        """Delete a source, and its articles unless they shall be kept. Raises `NotFound`."""
        caller.require(*_MANAGERS)
        key = RequestKey("DeleteSource", request_id, {"id": str(source_id), "keep": keep_articles})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            if not is_new:
                return
            await _existing(connection, source_id, lock=True)
            for article_id in [] if keep_articles else await store.articles_of(connection, source_id):
                await _delete_article(self._knowledge, connection, caller, article_id)
            await store.remove(connection, source_id)
            await idempotency.finish(connection, caller, key, source_id)

    async def synchronise(self, caller: Caller, source_id: UUID, *, refetch: bool, request_id: str) -> Source:
        """Have a source synchronised now. Raises `NotFound`."""
        caller.require(*_MANAGERS)
        key = RequestKey("SyncSource", request_id, {"id": str(source_id), "refetch": refetch})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            await _existing(connection, source_id)
            if is_new:
                await store.make_due(connection, source_id, refetch=refetch)
                await idempotency.finish(connection, caller, key, source_id)
            source = await _existing(connection, source_id)
        self._wake()
        return source

    async def pages(self, caller: Caller, source_id: UUID, *, after: str, outcome: str, limit: int) -> list[Page]:
        """Pages of a source by address, those after one address. Raises `NotFound`."""
        caller.require(*_MANAGERS)
        async with self._database.transaction(caller.tenant_id) as connection:
            await _existing(connection, source_id)
            return await store.pages(connection, source_id, after=after, outcome=outcome, limit=limit)

    async def _checked(self, url: str, sitemap_url: str) -> tuple[str, str]:
        url = await self._guard.check(url, "source.url")
        if not sitemap_url:
            return url, ""
        sitemap_url = await self._guard.check(sitemap_url, "source.sitemap_url")
        if not same_site(url, sitemap_url):
            raise InvalidArgument.field("source.sitemap_url", "must be on the host of source.url", "source.host")
        return url, sitemap_url


async def _delete_article(
    knowledge: KnowledgeService, connection: AsyncConnection, caller: Caller, article_id: UUID
) -> None:
    """Delete an article that somebody may have deleted before."""
    try:
        await knowledge.delete_in(connection, caller, article_id)
    except NotFound:
        return


async def _existing(connection: AsyncConnection, source_id: UUID, *, lock: bool = False) -> Source:
    found = await store.get(connection, source_id, lock=lock)
    if found is None:
        raise NotFound.of("source")
    return found


def _check_interval(seconds: int) -> None:
    if 0 < seconds < SHORTEST_INTERVAL:
        raise InvalidArgument.field("source.sync_interval", "must be zero, or an hour at least", "duration.gte")
