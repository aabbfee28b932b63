"""Follows one conversation for one stream: what was missed, the text so far, then what happens."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from deskwire_server.auth.caller import Caller
from deskwire_server.conversations.models import Conversation
from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.errors import NotFound, OutOfRange
from deskwire_server.turns.hub import Closing, Draining, Hub, HubItem, Subscription, TextGrew, Wake
from deskwire_server.turns.models import (
    TERMINAL_KINDS,
    Connected,
    DurableEvent,
    GoAway,
    Heartbeat,
    SourcesFound,
    StreamEvent,
    TextAdded,
    TypingChanged,
)
from deskwire_server.turns.store import TurnStore

_PAGE = 200


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
    ) -> None:
        self._store = store
        self._hub = hub
        self._text_elsewhere = text_elsewhere
        self._limits = limits
        self._caller = caller
        self._conversation_id = conversation_id
        self._subscription = subscription
        self._last = 0
        self._given: tuple[UUID, int, int] | None = None
        """(message, attempt, code points) of the running answer as far as this stream has it."""
        self._until: set[UUID] | None = None
        self._open_turns: set[UUID] = set()
        self._begun: tuple[UUID, UUID, int] | None = None
        """(turn, message, attempt) of the latest attempt that this stream knows of."""
        self._closing = False
        self._away_since: float | None = None

    async def events(
        self, *, after: int | None, until: set[UUID] | None, latency: float
    ) -> AsyncGenerator[StreamEvent, None]:
        """See `ChatService.follow`."""
        self._until = until
        conversation, running = await self._open()
        self._last = self._begin(conversation, after)
        if conversation.active_turn_id is not None:
            self._open_turns.add(conversation.active_turn_id)
        yield Connected(conversation, latency)
        async for missed in self._missed():
            yield missed
        for event in self._so_far(running):
            yield event
        started = quiet_since = polled_at = time.monotonic()
        while not self._is_done():
            item = await self._subscription.get(self._wait())
            now = time.monotonic()
            if isinstance(item, Exception):
                raise item
            if isinstance(item, Draining) or now - started > self._limits.longest:
                yield GoAway(self._last, draining=isinstance(item, Draining))
                return
            if isinstance(item, Closing):
                self._closing = True
            looks = (
                isinstance(item, Wake)
                or self._has_gap(item)
                or (item is None and now - polled_at >= self._poll_interval())
            )
            if looks:
                polled_at = now
                async for news in self._look():
                    quiet_since = now
                    yield news
            if isinstance(item, TextGrew):
                grown = await self._grown()
                if grown is not None:
                    quiet_since = now
                    yield grown
            for event in self._deliver(item):
                quiet_since = now
                yield event
            if now - quiet_since >= self._limits.heartbeat:
                quiet_since = now
                yield Heartbeat()

    async def _open(self) -> tuple[Conversation, TextAdded | None]:
        opened = await self._store.open_watch(
            self._caller.tenant_id, self._caller.user_id, self._caller.sees_all, self._conversation_id
        )
        if opened is None:
            raise NotFound.of("conversation")
        conversation, turn = opened
        text = None
        if turn["turn_id"] is not None:
            self._begun = (turn["turn_id"], turn["answer_id"], turn["attempt"])
            if turn["checkpoint"]:
                text = TextAdded(*self._begun, 0, turn["checkpoint"])
        return conversation, text

    def _begin(self, conversation: Conversation, after: int | None) -> int:
        if after is None:
            return conversation.last_sequence
        if after > conversation.last_sequence:
            raise OutOfRange(
                "the cursor lies ahead of the conversation", metadata={"last_sequence": str(conversation.last_sequence)}
            )
        if after < conversation.earliest_sequence - 1:
            raise NotFound(
                "events behind the cursor are gone",
                reason="CURSOR_EXPIRED",
                metadata={"earliest_sequence": str(conversation.earliest_sequence)},
            )
        return after

    async def _missed(self) -> AsyncGenerator[StreamEvent, None]:
        while True:
            page = await self._store.events_after(self._caller.tenant_id, self._conversation_id, self._last, _PAGE)
            for event in page:
                self._note(event)
                yield event
            if len(page) < _PAGE:
                return

    def _so_far(self, stored: TextAdded | None) -> list[StreamEvent]:
        """Text of the running answer: from memory if this worker writes it, else from its checkpoint."""
        running = self._hub.running(self._conversation_id)
        if running is None:
            return [part for part in (self._rest(stored),) if part]
        found: list[StreamEvent] = [running.sources] if running.sources is not None else []
        snapshot = self._rest(running.snapshot())
        return [*found, snapshot] if snapshot else found

    def _rest(self, text: TextAdded | None) -> TextAdded | None:
        """What this stream has not got of a piece of text."""
        if text is None:
            return None
        message, attempt, given = self._given or (text.message_id, 0, 0)
        if message != text.message_id or attempt < text.attempt:
            given = 0
        elif attempt > text.attempt:
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

    def _deliver(self, item: HubItem | None) -> list[StreamEvent]:
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
        return [item] if isinstance(item, SourcesFound | Connected) else []

    def _has_gap(self, item: HubItem | None) -> bool:
        return isinstance(item, DurableEvent) and item.sequence > self._last + 1

    async def _look(self) -> AsyncGenerator[StreamEvent, None]:
        """Ask the database for news. While it is away the stream holds, for a while."""
        try:
            async for event in self._missed():
                yield event
            if self._hub.running(self._conversation_id) is None:
                _, stored = await self._open()
                rest = self._rest(stored)
                if rest:
                    yield rest
            self._away_since = None
        except DatabaseUnavailable:
            now = time.monotonic()
            self._away_since = self._away_since or now
            if now - self._away_since > self._limits.outage_grace:
                raise

    async def _grown(self) -> TextAdded | None:
        """New text of an answer that another worker writes."""
        if self._begun is None or self._hub.running(self._conversation_id) is not None:
            return None
        turn_id, message_id, attempt = self._begun
        text = await self._text_elsewhere(message_id, attempt)
        return self._rest(TextAdded(turn_id, message_id, attempt, 0, text)) if text else None

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
        return self._limits.poll if waits else self._limits.idle_poll

    def _wait(self) -> float:
        return min(self._limits.heartbeat, self._poll_interval())


class OpenTurns(set[UUID]):
    """Turns of a stream that takes more messages: it stays open when none is left, until its client closes it."""
