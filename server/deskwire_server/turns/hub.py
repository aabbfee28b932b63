"""What happens now, inside one worker: running answers and the streams that watch conversations.

Every watcher has a bounded buffer. Pieces of text that wait in it are joined, so a slow reader costs at most one answer
of memory; a reader that falls further behind is cut and may resume by its cursor.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

from deskwire_server.errors import Unavailable
from deskwire_server.turns.models import Connected, DurableEvent, SourcesFound, TextAdded, TypingChanged

_BUFFER = 512


@dataclass(frozen=True, slots=True)
class Wake:
    """Something was committed: look into the database."""

    elsewhere: bool = False
    """Another worker says so, which means that it reaches the database."""


@dataclass(frozen=True, slots=True)
class TextGrew:
    """An answer that another worker writes has more text."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The client will send nothing more."""


@dataclass(frozen=True, slots=True)
class Draining:
    """The worker is going away."""


HubItem = (
    DurableEvent
    | TextAdded
    | SourcesFound
    | TypingChanged
    | Connected
    | Wake
    | TextGrew
    | Closing
    | Draining
    | Exception
)


class Subscription:
    """One watcher's buffer."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._items: deque[HubItem] = deque()
        self._signals: set[HubItem] = set()
        """Wake-ups among the items: one of a kind is enough, wherever it waits."""
        self._waiter: asyncio.Future[None] | None = None
        self._overflown = False

    def push(self, item: HubItem) -> None:
        """Add an item; text joins the text that waits already. Never blocks."""
        last = self._items[-1] if self._items else None
        if isinstance(item, TextAdded) and isinstance(last, TextAdded) and _continues(last, item):
            self._items[-1] = replace(last, text=last.text + item.text)
        elif isinstance(item, Wake | TextGrew) and item in self._signals:
            return
        elif len(self._items) >= _BUFFER:
            self._overflown = True
        else:
            if isinstance(item, Wake | TextGrew):
                self._signals.add(item)
            self._items.append(item)
        _end_wait(self._waiter)

    async def take(self, timeout: float, *, most: int = 1) -> list[HubItem]:
        """The next items, at most `most` of those that wait; none after `timeout` seconds.

        Raises `Unavailable` when items had to be dropped.
        """
        if not self._items and not self._overflown:
            # By hand: a task and an event for each piece of text would cost more than the piece.
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(timeout, _end_wait, self._waiter)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        if self._overflown:
            raise Unavailable(
                "the stream was read too slowly; resume from the last sequence",
                reason="READER_TOO_SLOW",
                retry_after=0.5,
            )
        taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        if self._signals:
            self._signals.difference_update(item for item in taken if isinstance(item, Wake | TextGrew))
        return taken


def _end_wait(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _continues(last: TextAdded, item: TextAdded) -> bool:
    return (
        last.message_id == item.message_id
        and last.attempt == item.attempt
        and last.offset + len(last.text) == item.offset
    )


@dataclass(slots=True)
class RunningAnswer:
    """The text so far of an answer that this worker writes."""

    conversation_id: UUID
    turn_id: UUID
    message_id: UUID
    attempt: int
    sources: SourcesFound | None = None
    pieces: list[str] = field(default_factory=list)
    length: int = 0
    """Code points that watchers have got."""
    pending: list[str] = field(default_factory=list)
    flushed_at: float = 0.0
    epoch: int = 0
    """Epoch of the worker's lease in which the turn was known to be ours."""
    stored: int = -1
    """Bytes of the text that stand where other workers read it; -1 where that is not known."""
    kept_at: float = 0.0
    """When it was last said how long the text is kept there, by the monotonic clock."""

    @property
    def text(self) -> str:
        """Everything written so far, sent or not."""
        return "".join(self.pieces) + "".join(self.pending)

    @property
    def sent(self) -> str:
        """What watchers have got."""
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    def snapshot(self) -> TextAdded | None:
        """What a watcher that comes now must be given first; None when there is no text yet."""
        return TextAdded(self.turn_id, self.message_id, self.attempt, 0, self.sent) if self.length else None


class Hub:
    """Watchers and running answers of one worker."""

    def __init__(self, *, delta_interval: float, may_speak: Callable[[RunningAnswer], bool] = lambda _: True) -> None:
        """`may_speak` tells whether text of an answer may leave now; else it waits for `flush`."""
        self._delta_interval = delta_interval
        self._may_speak = may_speak
        self.mirror: Callable[[RunningAnswer, str], None] | None = None
        """Gets each piece of text that leaves, for watchers on other workers."""
        self.typing_noticed: Callable[[UUID, TypingChanged], None] | None = None
        """Gets the notices that came from a stream of this worker, for watchers on other workers."""
        self.watched: Callable[[UUID, UUID], Awaitable[None]] | None = None
        """Told, again and again, of the tenant and the conversation that is watched here while others answer."""
        self._watchers: dict[UUID, list[Subscription]] = {}
        self._running: dict[UUID, RunningAnswer] = {}
        self._dirty: dict[UUID, RunningAnswer] = {}
        self._ticker: asyncio.Task[None] | None = None
        self._numbers = 0
        self.draining = False

    @contextmanager
    def watch(self, conversation_id: UUID) -> Iterator[Subscription]:
        """Receive what happens in a conversation from now on."""
        self._numbers += 1
        subscription = Subscription(self._numbers)
        self._watchers.setdefault(conversation_id, []).append(subscription)
        if self.draining:
            subscription.push(Draining())
        try:
            yield subscription
        finally:
            watchers = self._watchers[conversation_id]
            watchers.remove(subscription)
            if not watchers:
                del self._watchers[conversation_id]

    def watcher_count(self, conversation_id: UUID) -> int:
        """How many streams of this worker watch a conversation."""
        return len(self._watchers.get(conversation_id, ()))

    def publish(self, conversation_id: UUID, item: HubItem) -> None:
        """Give an item to every watcher of a conversation."""
        for subscription in self._watchers.get(conversation_id, ()):
            subscription.push(item)
        if self.typing_noticed is not None and isinstance(item, TypingChanged) and item.by_stream:
            self.typing_noticed(conversation_id, item)

    def drain(self) -> None:
        """Tell every watcher that the worker is going away."""
        self.draining = True
        for watchers in self._watchers.values():
            for subscription in watchers:
                subscription.push(Draining())

    async def close(self) -> None:
        """End the ticker; called when nothing runs any more."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)

    def running(self, conversation_id: UUID) -> RunningAnswer | None:
        """The answer that this worker writes in a conversation now."""
        return self._running.get(conversation_id)

    def begin(self, answer: RunningAnswer) -> None:
        """An attempt begins; the text of an earlier one is void."""
        self._dirty.pop(answer.conversation_id, None)
        self._running[answer.conversation_id] = answer

    def end(self, answer: RunningAnswer) -> None:
        """An attempt is over and was ours to the end; what is pending leaves first."""
        self._let_out(answer)
        self.drop(answer)

    def drop(self, answer: RunningAnswer) -> None:
        """An attempt is over and others hold the turn, or a later attempt does: what is pending never leaves."""
        self._forget(answer)
        if self._running.get(answer.conversation_id) is answer:
            del self._running[answer.conversation_id]

    def flush(self, answer: RunningAnswer) -> None:
        """Let out what is pending, if it may leave."""
        if self._may_speak(answer):
            self._let_out(answer)

    def set_sources(self, answer: RunningAnswer, sources: SourcesFound) -> None:
        """The passages that an answer may refer to are known."""
        answer.sources = sources
        self.publish(answer.conversation_id, sources)

    def add_text(self, answer: RunningAnswer, text: str) -> None:
        """More text: at once after a silence, else together with what follows within the interval."""
        answer.pending.append(text)
        if time.monotonic() - answer.flushed_at >= self._delta_interval:
            self.flush(answer)
            return
        self._dirty[answer.conversation_id] = answer
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.create_task(self._tick(), name="delta-ticker")

    def _forget(self, answer: RunningAnswer) -> None:
        if self._dirty.get(answer.conversation_id) is answer:
            del self._dirty[answer.conversation_id]

    def _let_out(self, answer: RunningAnswer) -> None:
        self._forget(answer)
        if not answer.pending:
            return
        text = "".join(answer.pending)
        answer.pending.clear()
        delta = TextAdded(answer.turn_id, answer.message_id, answer.attempt, answer.length, text)
        answer.pieces.append(text)
        answer.length += len(text)
        answer.flushed_at = time.monotonic()
        self.publish(answer.conversation_id, delta)
        if self.mirror is not None:
            self.mirror(answer, text)

    async def _tick(self) -> None:
        """One task for all answers, alive only while something waits."""
        while self._dirty:
            await asyncio.sleep(self._delta_interval)
            for answer in list(self._dirty.values()):
                # One that may not speak leaves the list all the same: it is let out when it may again.
                self._forget(answer)
                self.flush(answer)
