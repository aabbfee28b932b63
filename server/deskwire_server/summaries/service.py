"""The background work on a conversation: its title, and summaries of what its answers do not see any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from uuid import UUID

from deskwire_server.db.engine import Database
from deskwire_server.jobs.models import Handler, Work
from deskwire_server.summaries import store
from deskwire_server.summaries.counting import Counting
from deskwire_server.summaries.extract import title_of
from deskwire_server.summaries.models import Branch, Exchange
from deskwire_server.summaries.writer import Count, Writer

_NEVER = 2**31 - 1
_OPENING = 3
"""Exchanges that a title is made of."""
_SETTLED = 12
"""Messages after which a conversation of small talk keeps the title that it has."""
_STEP = 16_000
"""Characters that are summarised at once."""


class SummaryService:
    """Handlers of background work. Each looks by itself whether there is anything to do."""

    def __init__(
        self, database: Database, writer: Writer, *, window: int, announce: Callable[[UUID, UUID], None]
    ) -> None:
        """`window` is how many messages an answer sees; `announce` tells streams that a conversation changed."""
        self._database = database
        self._writer = writer
        self._window = window
        self._announce = announce
        self._kept = Counting(database)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The work of this room by kind, as the database asks for it."""
        return {"title": self.make_title, "summary": self.summarise}

    async def make_title(self, work: Work) -> None:
        """Give a conversation a title, once, unless somebody has; and say when it is to be summarised."""
        async with self._database.transaction(work.tenant_id) as connection:
            if await store.begin_due(connection, work.conversation_id, self._window or _NEVER):
                # By a job of its own: only one at a time summarises a conversation.
                await store.ask_for_summary(connection, work.tenant_id, work.conversation_id, work.turn_id)
            if not await store.awaits_title(connection, work.conversation_id):
                return
            exchanges = await store.first_exchanges(connection, work.conversation_id, _SETTLED)
        written = await self._writer.title(
            _from_first_matter(exchanges), self._counting(work), is_last_try=work.is_last_try
        )
        if not written.text and sum(exchange.message_count for exchange in exchanges) < _SETTLED:
            return
        async with self._database.transaction(work.tenant_id) as connection:
            changed = await store.put_title(connection, work.tenant_id, work.conversation_id, written.text)
        if changed:
            self._announce(work.tenant_id, work.conversation_id)

    async def summarise(self, work: Work) -> None:
        """Summarise what is about to leave the window of answers, step by step, and note when to look again.

        Done as soon as the window is full, for the older half of it: so nothing leaves it that no summary covers.
        """
        while True:
            async with self._database.transaction(work.tenant_id) as connection:
                branch = await store.branch(connection, work.conversation_id, work.turn_id)
                if branch is None:
                    return
                step = _leaving(branch, self._window)
                if not step:
                    due = branch.message_count + self._window - branch.uncovered if self._window else _NEVER
                    await store.set_due(connection, work.conversation_id, due)
                    return
            written = await self._writer.summary(
                branch.summary, step, self._counting(work), is_last_try=work.is_last_try
            )
            async with self._database.transaction(work.tenant_id) as connection:
                await store.put_summary(
                    connection, work.tenant_id, work.conversation_id, step[-1].turn_id, written.text, written.provider
                )

    async def close(self) -> None:
        """Wait a moment for what calls have cost to be kept."""
        await self._kept.close()

    def _counting(self, work: Work) -> Count:
        return partial(self._kept.keep, work)


def _from_first_matter(exchanges: tuple[Exchange, ...]) -> tuple[Exchange, ...]:
    """A few exchanges, those before them left out that are small talk."""
    first = next((place for place, each in enumerate(exchanges) if title_of([each.question])), 0)
    return exchanges[first : first + _OPENING]


def _leaving(branch: Branch, window: int) -> tuple[Exchange, ...]:
    """The oldest exchanges, as many as are to be summarised now; none while the window is not full."""
    left = branch.uncovered
    if window == 0 or left < window:
        return ()
    step: list[Exchange] = []
    characters = 0
    for exchange in branch.exchanges:
        characters += len(exchange.question) + len(exchange.answer)
        if left <= window - window // 2 or (step and characters > _STEP):
            break
        step.append(exchange)
        left -= exchange.message_count
    return tuple(step)
