"""Reads a stream of events and resumes it by itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import grpc
import grpc.aio
from deskwire.v1 import event_pb2

from deskwire_client import errors
from deskwire_client._calls import Caller
from deskwire_client._convert import seconds_of
from deskwire_client._fold import Folder, MissingTextError
from deskwire_client._retry import Backoff
from deskwire_client._status import error_of
from deskwire_client.events import Event, Missed


class StreamState(StrEnum):
    """State of a stream's connection."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    """The connection was lost or the server asked to come back; the stream is being resumed."""
    CLOSED = "closed"


StateCallback: TypeAlias = Callable[[StreamState], None]
"""Told of each change, on the event loop. Must not block."""

Call: TypeAlias = Any
"""A call with responses that have a field `event`, over `SendMessage`, `Converse` or `WatchConversation`."""

_SETTLED_AFTER = 5.0
"""Seconds after which a connection counts as working even when nothing but signs of life arrived."""
_LONGEST_END = 1.0
"""Seconds that the server gets to end a stream whose last event has arrived."""


class EventStream:
    """One logical stream over as many calls as it takes.

    `connect` opens a call that continues after the folder's cursor. `is_last` tells the event after which the stream is
    complete; `ends_cleanly` whether an end without such an event is a proper one.
    """

    def __init__(
        self,
        caller: Caller,
        connect: Callable[[Folder], Awaitable[Call]],
        *,
        folder: Folder,
        idle_timeout: float,
        on_state: StateCallback | None,
        is_last: Callable[[Event], bool] = lambda _: False,
        ends_cleanly: Callable[[], bool] = lambda: False,
    ) -> None:
        self._caller = caller
        self._connect = connect
        self._folder = folder
        self._idle_timeout = idle_timeout
        self._on_state = on_state
        self._is_last = is_last
        self._ends_cleanly = ends_cleanly
        self._state: StreamState | None = None
        self._backoff = Backoff(caller.retry)
        self._renewed = False

    async def events(self) -> AsyncGenerator[Event, None]:
        """The events, each once. Raises DeskwireError when the stream can't be had or resumed."""
        self._enter(StreamState.CONNECTING)
        try:
            while True:
                call = await self._connect(self._folder)
                try:
                    error: errors.DeskwireError
                    try:
                        async with contextlib.aclosing(self._read(call)) as arriving:
                            async for event in arriving:
                                yield event
                                if self._is_last(event):
                                    await self._end(call)
                                    return
                        if self._ends_cleanly():
                            return
                        error = errors.UnavailableError("the stream ended before its last event")
                    except _RedirectedError as notice:
                        error = errors.UnavailableError("the server ends the stream", retry_after=notice.after)
                    except MissingTextError:
                        error = errors.UnavailableError("a part of the answer was lost on the way")
                    except TimeoutError:
                        error = errors.UnavailableError(f"the stream was silent for {self._idle_timeout:g} s")
                    except grpc.aio.AioRpcError as failure:
                        error = error_of(failure)
                finally:
                    call.cancel()
                moved = self._move(error)
                if moved is not None:
                    yield moved
                    continue
                await self._pause(error)
        finally:
            self._enter(StreamState.CLOSED)

    async def _read(self, call: Call) -> AsyncGenerator[Event, None]:
        connected_at = time.monotonic()
        while True:
            async with asyncio.timeout(self._idle_timeout):
                response = await call.read()
            if response is grpc.aio.EOF:
                return
            self._enter(StreamState.CONNECTED)
            bundled: Sequence[event_pb2.ConversationEvent] = getattr(response, "more_events", ())
            for raw in (response.event, *bundled):
                folded = self._take(response, raw)
                if any(not _is_status(event) for event in folded) or time.monotonic() - connected_at > _SETTLED_AFTER:
                    self._backoff.progressed()
                    self._renewed = False
                for event in folded:
                    yield event
                if raw.HasField("go_away"):
                    raise _RedirectedError(seconds_of(raw.go_away.reconnect_after))

    def _take(self, response: Any, raw: event_pb2.ConversationEvent) -> list[Event]:
        """The events to hand on for one that came in a message of the stream."""
        return self._folder.fold(raw)

    def _move(self, error: errors.DeskwireError) -> Missed | None:
        """Resume from where the server can, if it refused the cursor and says which one it takes."""
        earliest, last = error.metadata.get("earliest_sequence"), error.metadata.get("last_sequence")
        if error.reason == "CURSOR_EXPIRED" and earliest is not None:
            place = int(earliest) - 1
        elif error.reason == "CURSOR_AHEAD" and last is not None:
            place = int(last)
        else:
            return None
        if self._folder.cursor == place:
            return None
        self._folder.move(place)
        return Missed(conversation_id=self._folder.conversation_id, resumed_after=place)

    async def _pause(self, error: errors.DeskwireError) -> None:
        """Wait before the next call, or raise `error` when there is no point in one."""
        if isinstance(error, errors.UnauthenticatedError) and not self._renewed:
            self._renewed = True
            if self._caller.tokens.refused(error.reason):
                return
        if not self._may_resume(error):
            raise error
        delay = self._backoff.next_delay(error.retry_after)
        if delay is None:
            raise error
        self._enter(StreamState.RECONNECTING)
        await self._caller.pause(delay, error)

    def _may_resume(self, error: errors.DeskwireError) -> bool:
        if error.transient:
            return True
        # A quota that ran out must not cost an answer that has begun: it is written meanwhile.
        return isinstance(error, errors.ResourceExhaustedError) and self._backoff.begun and bool(error.retry_after)

    async def _end(self, call: Call) -> None:
        """Let the server end the call by itself: a cancelled one would look like a client that left."""
        try:
            async with asyncio.timeout(_LONGEST_END):
                while await call.read() is not grpc.aio.EOF:
                    continue
        except (TimeoutError, grpc.aio.AioRpcError):
            return

    def _enter(self, state: StreamState) -> None:
        if state is self._state:
            return
        self._state = state
        if self._on_state is not None:
            self._on_state(state)


class _RedirectedError(Exception):
    """The server asked to resume elsewhere."""

    def __init__(self, after: float) -> None:
        super().__init__()
        self.after = after


def _is_status(event: Event) -> bool:
    return event.raw.HasField("connection_status")
