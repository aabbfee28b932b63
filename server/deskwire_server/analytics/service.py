"""What happens in a tenant, for its administrators and services: events across conversations, figures of one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from uuid import UUID

from deskwire_server.analytics import store
from deskwire_server.analytics.models import BEGINNING, ConversationMetrics, Page, Place, TenantEvent
from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db.engine import Database, DatabaseUnavailable
from deskwire_server.errors import NotFound, OutOfRange
from deskwire_server.turns.hub import Draining, Hub, Subscription, Wake
from deskwire_server.turns.models import Connected, GoAway, Heartbeat

_PAGE = 200


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """Times of a stream, in seconds."""

    heartbeat: float
    longest: float
    soon: float = 0.02
    """Pause before a look after news, so that many together cost one; the first of the pauses between looks."""
    poll: float = 2.0
    """Longest pause between two looks: news of other workers may be lost."""
    outage_grace: float = 30.0
    """How long a stream holds while the database is away."""


class AnalyticsService:
    """Reads events where they are stored. A stream keeps one page at most, so a slow reader costs no memory."""

    def __init__(self, database: Database, hub: Hub, limits: FeedLimits) -> None:
        self._database = database
        self._hub = hub
        self._limits = limits

    async def watch(
        self, caller: Caller, place: Place | None, kinds: Sequence[str] = ()
    ) -> AsyncGenerator[TenantEvent, None]:
        """Events behind `place` and those to come, of `kinds` or all, each once, until the reader leaves, with signs of
        the stream between them. None begins now: it leaves out what was settled before.

        Raises `PermissionDenied`, `NotFound` when events behind the place are gone, `OutOfRange` when it is of another
        database, `Unavailable` when the database stays away.
        """
        caller.require(Role.ADMIN, Role.SERVICE)
        with self._hub.watch(caller.tenant_id) as news:
            if place is None:
                place = await store.settled_now(self._database)
            reader = _Reader(self._database, caller.tenant_id, place, kinds, self._limits)
            page = await reader.next_page(holds=False)
            yield TenantEvent(place, Connected(None))
            started = time.monotonic()
            while True:
                for event in page.events:
                    yield event
                if not page.is_full:
                    await reader.wait(news)
                now = time.monotonic()
                if reader.is_draining or now - started > self._limits.longest:
                    yield TenantEvent(reader.place, GoAway(0, draining=reader.is_draining))
                    return
                page = await reader.next_page()
                if not page.events and now - reader.quiet_since >= self._limits.heartbeat:
                    reader.quiet_since = now
                    yield TenantEvent(reader.place, Heartbeat())

    async def conversation_metrics(self, caller: Caller, conversation_id: UUID) -> ConversationMetrics:
        """The figures of one conversation. Raises `PermissionDenied` and `NotFound`."""
        caller.require(Role.ADMIN, Role.SERVICE)
        async with self._database.transaction(caller.tenant_id) as connection:
            if not await store.exists(connection, conversation_id):
                raise NotFound.of("conversation")
            return await store.conversation_metrics(connection, conversation_id)


class _Reader:
    """Reads page by page, and knows when it is time to look again."""

    def __init__(
        self, database: Database, tenant_id: UUID, place: Place, kinds: Sequence[str], limits: FeedLimits
    ) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._kinds = kinds
        self._limits = limits
        self._pause = limits.soon
        self._away_since: float | None = None
        self.place = place
        self.quiet_since = time.monotonic()
        self.is_draining = False

    async def next_page(self, *, holds: bool = True) -> Page:
        """The next events; none while the database is away, for as long as that is borne, if it is."""
        try:
            page = await store.events_page(self._database, self._tenant_id, self.place, self._kinds, _PAGE)
        except DatabaseUnavailable:
            self._away_since = self._away_since or time.monotonic()
            if not holds or time.monotonic() - self._away_since > self._limits.outage_grace:
                raise
            return Page((), self.place, is_full=False, is_expired=False, is_ahead=False)
        self._away_since = None
        if page.is_ahead:
            raise OutOfRange("the cursor lies ahead of all events: it is of another database")
        if page.is_expired:
            raise NotFound("events behind the cursor are gone", reason="CURSOR_EXPIRED")
        self.place = page.reached
        if page.events:
            self.quiet_since = time.monotonic()
            self._pause = self._limits.soon
        return page

    async def wait(self, news: Subscription) -> None:
        """Until there may be more: soon after news and then ever later, as what was told of may not be settled yet."""
        items = await news.take(min(self._pause, self._limits.heartbeat))
        self.is_draining = any(isinstance(item, Draining) for item in items)
        if any(isinstance(item, Wake) for item in items):
            self._pause = self._limits.soon
            await asyncio.sleep(self._pause)
        else:
            self._pause = min(2 * self._pause, self._limits.poll)


def begins(place: Place | None, *, from_beginning: bool) -> Place | None:
    """Where a stream begins: behind a cursor, else with the oldest event or, as None, now."""
    return place if place is not None else BEGINNING if from_beginning else None
