"""One HTTP/1.1 connection to a server that streams: a request out, the bytes of its answer in, one after the other.

llhttp, by way of httptools, reads heads and cuts bodies out of their framing, strictly. What comes without having been
asked for, or behind the end of an answer, makes a connection unfit for another request.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable
from typing import Final, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpResponseParser

_MOST_HEADERS: Final = 200
_LONGEST_HEAD: Final = 64 * 1024
"""Bytes of an answer's header fields, and of anything else that comes between two pieces of its body."""
_HIGH_WATER: Final = 256 * 1024
"""Bytes that wait to be read before no more are taken from the network."""
_AT_ONCE: Final = 64 * 1024
"""Bytes that are taken from the kernel at the end of a rest."""
_DEFAULT_IDLE: Final = 15.0
"""Seconds between two requests."""


class BrokenConnectionError(ConnectionError):
    """The connection ended before the answer did."""


class ForeignAnswerError(ValueError):
    """What came is no answer in HTTP/1.1, or one beyond all bounds."""


class Connection(asyncio.Protocol):
    """Made by `Pool`; `send` begins an exchange, `read` gives its bytes, `Pool.release` or `abort` ends it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._on_drained: Callable[[], None] | None = None
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._socket = -1
        self._plain = False
        self._parts: list[bytes] = []
        self.on_body = self._parts.append
        """Called by the parser for each piece of a body; no frame of Python's between the two."""
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._head_bytes = 0
        self._dry = 0
        self._waiting_bytes = 0
        self._paused = False
        self._resting = False
        self._answered = False
        self._asked = False
        self._keep = False
        self.status = 0
        self.headers: dict[str, str] = {}
        """Of the answer, names in lower case. Of several fields of one name the last."""
        self.heard = False
        """Something has come since the request was sent."""
        self.complete = False
        """The answer has come to its end."""
        self.closed = False
        self.idle_until = 0.0
        """Loop time until which the connection may wait for its next request; the pool's."""

    # What the exchange needs

    def send(self, request: bytes) -> None:
        """Begin an exchange: `request` is its head and body."""
        assert self._transport is not None
        self._asked, self._answered, self.complete, self._keep = True, False, False, False
        self._error = None
        self.heard = False
        self._head_bytes = self._dry = 0
        self.headers = {}
        if self.closed or self._transport.is_closing():
            # Since it was made or taken.
            self._error = BrokenConnectionError("the connection was closed")
            return
        self._transport.write(request)

    async def answered(self) -> None:
        """Wait for the answer's head, whereupon `status` and `headers` are its. Raises as `read` does."""
        while not self._answered:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def read(self) -> bytes:
        """The bytes of the body that came since the last call, waiting for some; empty at its end.

        Raises `BrokenConnectionError`, `ForeignAnswerError`, and what `fail` was given, after the bytes before it.
        """
        parts = self._parts
        while self._resting or not parts:
            if not self._resting:
                if self.complete:
                    return b""
                if self._error is not None:
                    raise self._error
            if self._paused and not self._resting:
                self._resume()
            await self._wait()
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._waiting_bytes = 0
        return data

    def fail(self, error: Exception) -> None:
        """End the exchange with `error`, which whoever reads is given."""
        if self._error is None and not self.complete:
            self._error = error
        self._resting = False
        self._wake()

    def rest(self) -> None:
        """Leave what comes to the kernel, and `read` waiting, until `rouse`, or until the exchange fails."""
        if not self.complete and self._error is None:
            self._resting = True
            self._pause()

    def rouse(self) -> None:
        """End a rest."""
        if not self._resting:
            return
        self._resting = False
        if self._plain and self._read_now():
            return
        if self._parts:
            self._wake()
        else:
            self._resume()

    def _read_now(self) -> bool:
        """Take what the kernel has, from the socket itself; whether it had something.

        Saves the loop from watching the socket for a moment, which costs more than the read. Not for TLS, whose bytes
        are the transport's to decipher.
        """
        assert self._transport is not None
        if not self._paused or self._transport.is_closing():
            return False
        try:
            data = os.read(self._socket, _AT_ONCE)
        except OSError:
            # Nothing yet, or the end: the transport says so.
            return False
        if data:
            self.data_received(data)
        return bool(data)

    def _pause(self) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close now. Skips the TLS farewell, which a stalled server could drag out."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # What the pool needs

    @property
    def reusable(self) -> bool:
        """Whether the exchange has ended in a way that lets another one follow."""
        return self.complete and self._keep and not self.closed

    def idle(self) -> float:
        """Rest between two exchanges; returns for how many seconds at most. What comes meanwhile closes it."""
        self._asked = False
        self._forget()
        _, _, seconds = self.headers.get("keep-alive", "").partition("timeout=")
        seconds = seconds.partition(",")[0].strip()
        # A second less than the server waits, so that it does not close while a request is on its way.
        return min(_DEFAULT_IDLE, int(seconds) - 1.0) if seconds.isdecimal() and len(seconds) < 6 else _DEFAULT_IDLE

    def drain(self, then: Callable[[], None]) -> None:
        """Pass over what is left of the answer; `then` is called once, when it has ended or can't any more."""
        self._forget()
        self._on_drained = then
        if self._error is not None:
            self._tell_drained()

    def healthy(self) -> bool:
        """Whether a resting connection can take a request: open, and nothing has come, not even its end."""
        if self.closed or self._transport is None or self._transport.is_closing() or self._poll is None:
            return False
        # The loop may not have heard yet what the kernel knows.
        return not self._poll.poll(0)

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)
        self._poll = select.poll()
        self._socket = transport.get_extra_info("socket").fileno()
        self._plain = transport.get_extra_info("ssl_object") is None
        self._poll.register(self._socket, select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Part of `asyncio.Protocol`."""
        if not self._asked or self.complete or self._parser is None:
            self._keep = False
            self.abort()
            return
        self.heard = True
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._keep = False
            if not self.complete:
                # The parser's words and the context's may quote the answer.
                cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
                self.fail(cause if isinstance(cause, ForeignAnswerError) else ForeignAnswerError("no HTTP/1.1"))
        self._weigh(len(data))
        if self.complete:
            self._resting = False
        if self._answered and not self._resting:
            self._wake()
        if self.complete or self._error is not None:
            self._tell_drained()

    def _weigh(self, size: int) -> None:
        """Keep what waits, and what brings nothing, within bounds."""
        if self._parts:
            self._dry = 0
            self._waiting_bytes += size
            if self._waiting_bytes > _HIGH_WATER:
                self._pause()
            return
        self._dry += size
        if self._dry > _LONGEST_HEAD and not self.complete:
            self.fail(ForeignAnswerError("a head or a trailer without end"))

    def connection_lost(self, error: Exception | None) -> None:
        """Part of `asyncio.Protocol`."""
        self.closed = True
        if not self.complete:
            if error is None and self._answered and self._ends_with_the_connection():
                self.complete = True
            elif self._error is None:
                self._error = BrokenConnectionError("the connection was closed")
        # The parser holds methods of this object.
        self._parser = None
        self._resting = False
        self._wake()
        self._on_lost(self)
        self._tell_drained()

    # What the parser calls

    def on_message_begin(self) -> None:
        """Part of httptools' protocol."""
        if self.complete:
            raise ForeignAnswerError("an answer behind the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Part of httptools' protocol; fields behind the body are passed over."""
        if self._answered:
            return
        self._head_bytes += len(name) + len(value)
        if len(self.headers) >= _MOST_HEADERS or self._head_bytes > _LONGEST_HEAD:
            raise ForeignAnswerError("a head beyond all bounds")
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        """Part of httptools' protocol. Interim answers are passed over."""
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        if self.status == 101:
            raise ForeignAnswerError("another protocol")
        if self.status >= 200:
            self._answered = True
        else:
            self.headers.clear()

    def on_message_complete(self) -> None:
        """Part of httptools' protocol."""
        if self._answered:
            assert self._parser is not None
            self._keep = self._parser.should_keep_alive() and self._error is None
            self.complete = True

    def _ends_with_the_connection(self) -> bool:
        coding = self.headers.get("transfer-encoding", "")
        return "content-length" not in self.headers and not coding.lower().endswith("chunked")

    def _tell_drained(self) -> None:
        then, self._on_drained = self._on_drained, None
        if then is not None:
            then()

    def _forget(self) -> None:
        """Drop what came and was not read."""
        self._parts.clear()
        self._waiting_bytes = 0
        self._resting = False
        if self._paused:
            self._resume()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
