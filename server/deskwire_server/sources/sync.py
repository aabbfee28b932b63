"""Brings the articles of one source in step with its site."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db.engine import Database
from deskwire_server.errors import NotFound
from deskwire_server.knowledge.models import DocumentResult, ImportOutcome
from deskwire_server.knowledge.parse import MAX_DOCUMENT_BYTES, MEDIA_TYPES, Document, DocumentType
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.sources import store
from deskwire_server.sources.addresses import AddressGuard
from deskwire_server.sources.fetch import Fetched, Fetcher, FetchFailed
from deskwire_server.sources.models import Due, Page, PageOutcome, Progress, Source, SyncReport
from deskwire_server.sources.site import Site, SiteUnreadable, read_site

_log = structlog.get_logger(__name__)
_BATCH = 8
"""Pages that are fetched, imported and noted together."""
_AT_ONCE = 2
_PAUSE = 0.1
"""Seconds between two requests to a site that asks for no longer pause."""
_RETRY = 3_600
_GONE = frozenset({404, 410})
_LONGEST_PATH = 900
_NO_INDEX = re.compile(rb"<meta\b(?=[^>]{0,500}\bname\s*=\s*[\"']?robots\b)[^>]{0,500}\bnoindex\b", re.I)
_HEAD = 64 * 1024


class Lost(Exception):
    """Another worker has taken the synchronisation over, or the source is gone."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What came of asking for a page."""

    page: Page
    document: Document | None = None
    is_gone: bool = False
    is_unchanged: bool = False


class Synchroniser:
    """Reads a site and writes articles. One source at a time."""

    def __init__(self, database: Database, knowledge: KnowledgeService, guard: AddressGuard) -> None:
        self._database = database
        self._knowledge = knowledge
        self._guard = guard

    async def run(self, due: Due) -> None:
        """Synchronise a source that this worker has claimed. Raises `Lost`, `DatabaseUnavailable`."""
        async with self._database.transaction(due.tenant_id) as connection:
            source = await store.get(connection, due.source_id)
            known = {page.url: page for page in await store.pages(connection, due.source_id)}
        if source is None:
            raise Lost
        report = SyncReport(started_at=time.time())
        await self._keep(due, Progress(report))
        try:
            async with Fetcher(self._guard) as fetcher:
                site = await read_site(fetcher, source.url, source.sitemap_url, source.max_pages)
                report.pages = len(site.pages)
                await self._bring_in(due, source, fetcher, site, known, report)
                await self._take_out(due, source, [url for url in known if url not in set(site.pages)], report)
        except SiteUnreadable as error:
            report.message = str(error)
        report.ended_at = time.time()
        wait = source.sync_seconds and (min(source.sync_seconds, _RETRY) if report.message else source.sync_seconds)
        async with self._database.transaction(due.tenant_id) as connection:
            await _require_hold(connection, due)
            await store.put_report(connection, due.source_id, report, failed=bool(report.message))
            await store.finish(connection, due, wait)
        _log.info("source_synchronised", source=str(due.source_id), pages=report.pages, failed=report.failed)

    async def _bring_in(
        self, due: Due, source: Source, fetcher: Fetcher, site: Site, known: dict[str, Page], report: SyncReport
    ) -> None:
        """Fetch and import the pages, some at a time."""
        gate = asyncio.Semaphore(_AT_ONCE if not site.delay else 1)

        async def one(url: str) -> _Seen:
            before = known.get(url, Page(url, PageOutcome.TAKEN))
            if not site.allows(url):
                return _Seen(replace(before, outcome=PageOutcome.SKIPPED, reason="", message="excluded by robots.txt"))
            async with gate:
                seen = await _look(fetcher, source, before, refetch=due.refetch)
                # A pause between requests is what the site asks for; nothing can be waited for in its place.
                await asyncio.sleep(max(site.delay, _PAUSE))
                return seen

        for start in range(0, len(site.pages), _BATCH):
            seen = await asyncio.gather(*map(one, site.pages[start : start + _BATCH]))
            progress = Progress(report)
            await self._import(source, due, seen, progress)
            for each in seen:
                if each.is_gone or (each.page.outcome is PageOutcome.SKIPPED and each.page.article_id):
                    await self._remove(due, source, each.page, report, forget=each.is_gone)
                    if not each.is_gone:
                        progress.pages.append(replace(each.page, article_id=None, etag="", last_modified=""))
                elif each.document is None:
                    progress.pages.append(each.page)
                _count(each, report)
            await self._keep(due, progress)

    async def _import(self, source: Source, due: Due, seen: Sequence[_Seen], progress: Progress) -> None:
        """Import what was fetched; the pages go into `progress` with their articles."""
        fetched = [each for each in seen if each.document is not None]
        if not fetched:
            return

        async def documents() -> AsyncIterator[Document]:
            for each in fetched:
                assert each.document is not None
                yield each.document

        results = self._knowledge.import_documents(_acting(due, source), documents())
        async with aclosing(results):
            for each, result in zip(fetched, [result async for result in results], strict=True):
                progress.pages.append(_imported(each.page, result))
                _count_import(result, progress.report)

    async def _take_out(self, due: Due, source: Source, gone: Sequence[str], report: SyncReport) -> None:
        """Delete the articles of pages that the sitemap lists no longer."""
        if not gone:
            return
        async with self._database.transaction(due.tenant_id) as connection:
            pages = {page.url: page for page in await store.pages(connection, due.source_id)}
        for url in gone:
            if url in pages:
                await self._remove(due, source, pages[url], report, forget=True)

    async def _remove(self, due: Due, source: Source, page: Page, report: SyncReport, *, forget: bool) -> None:
        async with self._database.transaction(due.tenant_id) as connection:
            await _require_hold(connection, due)
            if page.article_id is not None:
                try:
                    await self._knowledge.delete_in(connection, _acting(due, source), page.article_id)
                    report.removed += 1
                except NotFound:
                    _log.info("article_was_deleted_before", source=str(due.source_id))
            if forget:
                await store.forget_page(connection, due.source_id, page.url)

    async def _keep(self, due: Due, progress: Progress) -> None:
        async with self._database.transaction(due.tenant_id) as connection:
            await _require_hold(connection, due)
            await store.put_pages(connection, due.tenant_id, due.source_id, progress.pages)
            await store.put_report(connection, due.source_id, progress.report)


async def _require_hold(connection: AsyncConnection, due: Due) -> None:
    if not await store.holds(connection, due):
        raise Lost


async def _look(fetcher: Fetcher, source: Source, before: Page, *, refetch: bool) -> _Seen:
    """Ask for a page, with what is known of it unless it shall be fetched anew."""
    known = before.article_id is not None and before.outcome is PageOutcome.TAKEN and not refetch
    conditions = {"etag": before.etag, "last_modified": before.last_modified} if known else {}
    try:
        answer = await fetcher.get(before.url, most=MAX_DOCUMENT_BYTES, **conditions)
    except FetchFailed as error:
        return _failed(before, str(error))
    if answer.status == 304 and known:
        return _Seen(replace(before, reason="", message=""), is_unchanged=True)
    if answer.status in _GONE:
        return _Seen(before, is_gone=True)
    if answer.status != 200:
        return _failed(before, f"the site answered {answer.status}")
    kind = MEDIA_TYPES.get(answer.media_type)
    if kind is None:
        return _skipped(before, f"pages of the type {answer.media_type or 'unknown'} are not read")
    if "noindex" in answer.robots or (kind is DocumentType.HTML and _NO_INDEX.search(answer.body[:_HEAD])):
        return _skipped(before, "excluded by noindex")
    page = Page(before.url, PageOutcome.TAKEN, before.article_id, answer.etag, answer.last_modified)
    return _Seen(page, _document(source, before.url, kind, answer))


def _document(source: Source, url: str, kind: DocumentType, answer: Fetched) -> Document:
    return Document(
        _path(source.name, url), answer.body, kind, url=url, category=source.category or source.name, tags=source.tags
    )


def _path(name: str, url: str) -> str:
    """The article's source path: the source's name, then the page's path. Different pages have different ones."""
    parts = urlsplit(url)
    path = "/".join(part for part in parts.path.split("/") if part not in ("", ".", ".."))
    path = re.sub(r"[\x00-\x1f\\]", "_", path) or "index"
    if parts.query or len(path) > _LONGEST_PATH or parts.path.endswith("/") or "//" in parts.path:
        path = f"{path[:_LONGEST_PATH]}~{hashlib.sha256(url.encode()).hexdigest()[:12]}"
    return f"{name}/{path}"


def _failed(before: Page, message: str) -> _Seen:
    failed = replace(before, outcome=PageOutcome.FAILED, reason="PAGE_UNREACHABLE", message=message)
    return _Seen(failed)


def _skipped(before: Page, message: str) -> _Seen:
    return _Seen(replace(before, outcome=PageOutcome.SKIPPED, reason="", message=message))


def _imported(page: Page, result: DocumentResult) -> Page:
    if result.outcome is ImportOutcome.FAILED:
        return replace(
            page, outcome=PageOutcome.FAILED, reason=result.reason, message=result.message, etag="", last_modified=""
        )
    return replace(page, article_id=result.article_id)


def _count(seen: _Seen, report: SyncReport) -> None:
    report.unchanged += seen.is_unchanged
    if seen.document is None and not seen.is_gone:
        report.skipped += seen.page.outcome is PageOutcome.SKIPPED
        report.failed += seen.page.outcome is PageOutcome.FAILED


def _count_import(result: DocumentResult, report: SyncReport) -> None:
    report.created += result.outcome is ImportOutcome.CREATED
    report.updated += result.outcome is ImportOutcome.UPDATED
    report.unchanged += result.outcome is ImportOutcome.UNCHANGED
    report.failed += result.outcome is ImportOutcome.FAILED


def _acting(due: Due, source: Source) -> Caller:
    """The source itself, as the one who changes articles."""
    return Caller(due.tenant_id, "", f"source:{source.name}", Role.SERVICE)
