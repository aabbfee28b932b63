"""Follows one conversation for one stream: what was missed, the text so far, then what happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from deskwire_server.auth.caller import Caller
from deskwire_server.chat.cursor import cursor_ahead, cursor_expired
from deskwire_server.conversations.models import Conversation
from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.errors import NotFound
from deskwire_server.turns.hub import Closing, Draining, Hub, HubItem, Subscription, TextGrew, Wake
from deskwire_server.turns.models import (
    TERMINAL_KINDS,
    Connected,
    DurableEvent,
    GoAway,
    Heartbeat,
    Opening,
    SourcesFound,
    StreamEvent,
    TextAdded,
    TypingChanged,
)
from deskwire_server.turns.store import TurnStore

_PAGE = 200
_STEPS_TO_THE_PROVIDER = 2
"""Turns of the event loop from a turn's beginning to its call: that of the turn's task, and of the one that answers."""


@dataclass(frozen=True, slots=True)
class TailLimits:
    """Times of a stream, in seconds."""

    heartbeat: float
    longest: float
    poll: float = 0.5
    """How often the database is asked while an answer is written by another worker."""
    idle_poll: float = 5.0
    """How often it is asked when nothing runs, in case a wake-up was lost."""
    outage_grace: float = 30.0
    """How long a stream holds while the database is away."""


class Tail:
    """The state of one stream: the last durable event it delivered and the text of the running answer it has given."""

    def __init__(
        self,
        store: TurnStore,
        hub: Hub,
        text_elsewhere: Callable[[UUID, int], Awaitable[str]],
        limits: TailLimits,
        caller: Caller,
        conversation_id: UUID,
        subscription: Subscription,
        *,
        together: int = 1,
    ) -> None:
        """`together`: how many events that are ready at the same time may be given at once."""
        self._store = store
        self._hub = hub
        self._text_elsewhere = text_elsewhere
        self._limits = limits
        self._caller = caller
        self._conversation_id = conversation_id
        self._subscription = subscription
        self._together = together
        self._last = 0
        self._given: tuple[UUID, int, int] | None = None
        """(message, attempt, code points) of the running answer as far as this stream has it."""
        self._until: set[UUID] | None = None
        self._open_turns: set[UUID] = set()
        self._begun: tuple[UUID, UUID, int] | None = None
        """(turn, message, attempt) of the attempt that runs, as far as this stream knows."""
        self._closing = False
        self._caught_up = False
        self._away_since: float | None = None

    async def events(
        self, *, after: int | None, until: set[UUID] | None, latency: float, opening: Opening | None = None
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """See `ChatService.follow`."""
        self._until = until
        if opening is not None:
            conversation, self._last = opening.conversation, opening.events[0].sequence - 1
            self._caught_up = True
        else:
            conversation, turn = await self._open()
            self._last = self._begin(conversation, after)
        if conversation.active_turn_id is not None:
            self._open_turns.add(conversation.active_turn_id)
        if opening is None:
            yield [Connected(conversation, latency)]
            try:
                async for missed in self._catch_up(turn):
                    yield missed
            except DatabaseUnavailable:
                self._away_since = time.monotonic()
        else:
            for known in opening.events:
                self._note(known)
            for _ in range(_STEPS_TO_THE_PROVIDER):
                # The turn has just begun: its question leaves before anything is told of it, as its way is the longest.
                await asyncio.sleep(0)
            yield [Connected(conversation, latency), *opening.events, *opening.live]
        started = quiet_since = polled_at = time.monotonic()
        while not self._is_done():
            items = await self._subscription.take(self._wait(), most=self._together)
            now = time.monotonic()
            given: list[StreamEvent] = []
            for item in items or (None,):
                if isinstance(item, Exception):
                    yield given
                    raise item
                if isinstance(item, Draining) or now - started > self._limits.longest:
                    yield [*given, GoAway(self._last, draining=isinstance(item, Draining))]
                    return
                if isinstance(item, Closing):
                    self._closing = True
                looks = (
                    isinstance(item, Wake)
                    or self._has_gap(item)
                    or (item is None and now - polled_at >= self._poll_interval())
                )
                if looks:
                    yield given
                    given = []
                    polled_at = now
                    async for news in self._look():
                        quiet_since = now
                        yield news
                    if self._away_since is not None and isinstance(item, Wake) and item.elsewhere:
                        # Others reach the database, this worker does not: whoever watches is better served there.
                        yield [GoAway(self._last, draining=True)]
                        return
                if isinstance(item, TextGrew):
                    given.extend(await self._grown())
                given.extend(self._deliver(item))
                if self._is_done():
                    break
            if given:
                quiet_since = now
                yield given
            elif now - quiet_since >= self._limits.heartbeat:
                quiet_since = now
                yield [Heartbeat()]

    async def _open(self) -> tuple[Conversation, asyncpg.Record]:
        opened = await self._store.open_watch(
            self._caller.tenant_id, self._caller.user_id, self._caller.sees_all, self._conversation_id
        )
        if opened is None:
            raise NotFound.of("conversation")
        return opened

    async def _catch_up(self, turn: asyncpg.Record) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """What was missed, then the text so far. Done again from where it stopped if the database leaves meanwhile."""
        text = self._note_running(turn)
        async for missed in self._missed():
            yield missed
        yield self._so_far(text)
        self._caught_up = True
        if self._hub.running(self._conversation_id) is None:
            await self._note_watched()

    def _note_running(self, turn: asyncpg.Record) -> TextAdded | None:
        """Begin with the attempt that runs. Returns its stored text."""
        if turn["turn_id"] is None:
            return None
        self._begun = (turn["turn_id"], turn["answer_id"], turn["attempt"])
        return self._stored(turn)

    def _stored(self, turn: asyncpg.Record) -> TextAdded | None:
        if turn["turn_id"] is None or not turn["checkpoint"]:
            return None
        return TextAdded(turn["turn_id"], turn["answer_id"], turn["attempt"], 0, turn["checkpoint"])

    def _begin(self, conversation: Conversation, after: int | None) -> int:
        if after is None:
            return conversation.last_sequence
        if after > conversation.last_sequence:
            raise cursor_ahead(conversation.last_sequence)
        if after < conversation.earliest_sequence - 1:
            raise cursor_expired(conversation.earliest_sequence)
        return after

    async def _missed(self) -> AsyncGenerator[Sequence[DurableEvent], None]:
        while True:
            page = await self._store.events_after(self._caller.tenant_id, self._conversation_id, self._last, _PAGE)
            if page and page[0].sequence != self._last + 1:
                # Retention was quicker than this stream.
                raise _expired(page[0].sequence)
            for event in page:
                self._note(event)
            yield page
            if len(page) < _PAGE:
                return

    def _so_far(self, stored: TextAdded | None) -> list[StreamEvent]:
        """Text of the running answer: from memory if this worker writes it, else from its checkpoint."""
        running = self._hub.running(self._conversation_id)
        if running is None:
            return [part for part in (self._rest(stored),) if part]
        found: list[StreamEvent] = []
        if running.sources is not None and self._is_running(running.sources.turn_id):
            found.append(running.sources)
        snapshot = self._rest(running.snapshot())
        return [*found, snapshot] if snapshot else found

    def _is_running(self, turn_id: UUID) -> bool:
        return self._begun is not None and self._begun[0] == turn_id

    def _rest(self, text: TextAdded | None) -> TextAdded | None:
        """What this stream has not got of a piece of text. Nothing of attempts that are over, or not begun in it."""
        if text is None or self._begun is None or self._begun != (text.turn_id, text.message_id, text.attempt):
            return None
        message, attempt, given = self._given or (text.message_id, 0, 0)
        if message != text.message_id or attempt < text.attempt:
            given = 0
        if text.offset > given:
            # What lies between went by before this stream listened, behind the checkpoint that it began with. Where it
            # is not in memory any more, the message brings it.
            text = self._whole(text)
            if text is None:
                return None
        end = text.offset + len(text.text)
        if end <= given:
            return None
        skip = max(0, given - text.offset)
        self._given = (text.message_id, text.attempt, end)
        return (
            text
            if not skip
            else TextAdded(text.turn_id, text.message_id, text.attempt, text.offset + skip, text.text[skip:])
        )

    def _whole(self, text: TextAdded) -> TextAdded | None:
        """The text so far of the answer that a piece belongs to, if this worker still writes it."""
        running = self._hub.running(self._conversation_id)
        if running is None or (running.message_id, running.attempt) != (text.message_id, text.attempt):
            return None
        return running.snapshot()

    def _deliver(self, item: HubItem | None) -> list[StreamEvent]:
        if not self._caught_up:
            # What is stored comes first, and with it this.
            return [item] if isinstance(item, Connected) else []
        if isinstance(item, TextAdded):
            rest = self._rest(item)
            return [rest] if rest else []
        if isinstance(item, DurableEvent):
            if item.sequence != self._last + 1:
                return []
            self._note(item)
            return [item]
        if isinstance(item, TypingChanged):
            return [] if item.by_stream == self._subscription.number else [item]
        if isinstance(item, SourcesFound):
            return [item] if self._is_running(item.turn_id) else []
        return [item] if isinstance(item, Connected) else []

    def _has_gap(self, item: HubItem | None) -> bool:
        return isinstance(item, DurableEvent) and item.sequence > self._last + 1

    async def _look(self) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """Ask the database for news. While it is away the stream holds, for a while."""
        try:
            if not self._caught_up:
                _, turn = await self._open()
                async for missed in self._catch_up(turn):
                    yield missed
            async for page in self._missed():
                yield [shown for event in page for shown in self._with_typing(event)]
            if self._hub.running(self._conversation_id) is None:
                await self._note_watched()
                _, turn = await self._open()
                rest = self._rest(self._stored(turn))
                if rest:
                    yield [rest]
            self._away_since = None
        except DatabaseUnavailable:
            now = time.monotonic()
            self._away_since = self._away_since or now
            if now - self._away_since > self._limits.outage_grace:
                raise

    def _with_typing(self, event: DurableEvent) -> list[StreamEvent]:
        """Shows the assistant typing an answer of another worker, as the hub does for one of this worker."""
        if self._hub.running(self._conversation_id) is not None or event.turn_id is None:
            return [event]
        if event.kind == "turn_started" and self._begun is not None:
            return [event, TypingChanged("assistant", True, event.turn_id)]
        if event.kind in TERMINAL_KINDS:
            return [TypingChanged("assistant", False, event.turn_id), event]
        return [event]

    async def _note_watched(self) -> None:
        if self._begun is not None and self._hub.watched is not None:
            await self._hub.watched(self._caller.tenant_id, self._conversation_id)

    async def _grown(self) -> list[StreamEvent]:
        """New text of an answer that another worker writes."""
        if self._begun is None or self._hub.running(self._conversation_id) is not None:
            return []
        turn_id, message_id, attempt = self._begun
        with suppress(DatabaseUnavailable):
            await self._note_watched()
        text = await self._text_elsewhere(message_id, attempt)
        rest = self._rest(TextAdded(turn_id, message_id, attempt, 0, text)) if text else None
        return [rest] if rest else []

    def _note(self, event: DurableEvent) -> None:
        self._last = event.sequence
        if event.turn_id is None:
            return
        if event.kind == "turn_started":
            self._begun = (event.turn_id, UUID(event.payload["message_id"]), event.payload["attempt"])
        if event.kind not in TERMINAL_KINDS:
            self._open_turns.add(event.turn_id)
            return
        self._open_turns.discard(event.turn_id)
        if self._begun is not None and self._begun[0] == event.turn_id:
            # Word of more text may still be on its way here, and must not come behind the end.
            self._begun = None
        if self._until is not None:
            self._until.discard(event.turn_id)

    def _is_done(self) -> bool:
        """A stream with turns to wait for ends with them; one that stays open ends when its client closed it."""
        if self._until is None:
            return False
        return not self._until and (self._closing or not self._stays_open)

    @property
    def _stays_open(self) -> bool:
        return isinstance(self._until, OpenTurns)

    def _poll_interval(self) -> float:
        waits = bool(self._open_turns) and self._hub.running(self._conversation_id) is None
        waits = waits or self._away_since is not None
        return self._limits.poll if waits else self._limits.idle_poll

    def _wait(self) -> float:
        return min(self._limits.heartbeat, self._poll_interval())


def _expired(earliest: int) -> NotFound:
    return NotFound(
        "events behind the cursor are gone", reason="CURSOR_EXPIRED", metadata={"earliest_sequence": str(earliest)}
    )


class OpenTurns(set[UUID]):
    """Turns of a stream that takes more messages: it stays open when none is left, until its client closes it."""
