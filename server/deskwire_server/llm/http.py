"""One streaming call to a provider over HTTP: connect, watch the clock, read bytes, close at once when told to.

No redirects, no proxies from the environment, no cookies, no retries, no decompression.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import structlog

from deskwire_server.llm.endpoint import Endpoint
from deskwire_server.llm.failures import Kind, describe, failure, from_response
from deskwire_server.llm.port import ProviderError
from deskwire_server.llm.wire.connection import BrokenConnectionError, Connection, ForeignAnswerError
from deskwire_server.llm.wire.pool import Origin, Pool, trust
from deskwire_server.llm.wire.ticker import Ticker
from deskwire_server.settings import Settings

_log = structlog.get_logger(__name__)

_MAX_ERROR_BODY = 64 * 1024
_REQUEST_ID = ("x-request-id", "request-id")
"""Headers in which OpenAI and Anthropic name a call, for their support."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Times of one call, in seconds: its longest waits, and the pause between two looks for text."""

    connect: float = 5
    first_token: float = 15
    """From the start of the call, connecting included."""
    between_tokens: float = 10
    response: float = 30
    """From the start of the call to the end of the answer."""
    pause: float = 0
    """After text, before more is read: what the network brings meanwhile is passed on in one piece, at one cost."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that the settings give."""
        return cls(
            connect=settings.provider_connect_timeout,
            first_token=settings.provider_first_token_timeout,
            between_tokens=settings.provider_token_timeout,
            response=settings.response_timeout,
            # A little longer than deltas are apart, so that each piece leaves as it comes.
            pause=settings.delta_interval * 1.1,
        )


class Watch:
    """The clock of one call. One timer a call, moved on only when it fires, so that a token costs one clock reading.

    Waits for the caller to take an event do not count as silence of the provider; they count for the whole response.
    """

    __slots__ = ("_end", "_fail", "_loop", "_timeouts", "_timer", "_waiting_since", "expired", "first_token_at", "seen")

    def __init__(self, timeouts: Timeouts) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._timeouts = timeouts
        self._end = now + timeouts.response
        self.first_token_at = min(now + timeouts.first_token, self._end)
        """Loop time by which the first token must be here."""
        self.seen = False
        """Whether a token has come."""
        self.expired: Kind | None = None
        """The limit that ended the call."""
        self._waiting_since: float | None = None
        self._fail: Callable[[Exception], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, fail: Callable[[Exception], None]) -> None:
        """From now on, call `fail` with a TimeoutError when a limit passes."""
        self._fail = fail
        self._timer = self._loop.call_at(self.first_token_at, self._fire)

    def stop(self) -> None:
        """Forget the timer."""
        self._fail = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def waiting(self, since: float = 0) -> None:
        """A read begins, or will at `since`. Silence counts on from the last token while a server sends pings only."""
        if self._waiting_since is None:
            self._waiting_since = since or self._loop.time()
            if self.seen and self._timer is not None:
                self._advance(self._waiting_since + self._timeouts.between_tokens)

    def progress(self) -> None:
        """A token came."""
        self.seen = True
        self._waiting_since = None

    def which(self) -> Kind:
        """The limit that has passed at this moment, before any token."""
        return "response_timeout" if self._loop.time() >= self._end else "first_token_timeout"

    def _advance(self, limit: float) -> None:
        """Bring the timer forward where it would fire too late; later limits are met when it fires."""
        if self._timer is not None and self._timer.when() > min(limit, self._end):
            self._timer.cancel()
            self._timer = self._loop.call_at(min(limit, self._end), self._fire)

    def _fire(self) -> None:
        now = self._loop.time()
        if now >= self._end:
            return self._expire("response_timeout")
        if not self.seen:
            return self._expire("first_token_timeout")
        limit = self._end
        if self._waiting_since is not None:
            limit = min(limit, self._waiting_since + self._timeouts.between_tokens)
            if now >= limit:
                return self._expire("token_timeout")
        self._timer = self._loop.call_at(limit, self._fire)
        return None

    def _expire(self, kind: Kind) -> None:
        self.expired = kind
        self._timer = None
        if self._fail is not None:
            self._fail(TimeoutError(kind))


class Call:
    """A call that the provider has accepted. `end` must follow."""

    __slots__ = ("_connection", "_pool", "_ticker", "read", "watch")

    def __init__(self, connection: Connection, watch: Watch, pool: Pool, ticker: Ticker | None) -> None:
        self._connection = connection
        self._pool = pool
        self._ticker = ticker
        self.watch = watch
        self.read = connection.read
        """The bytes that have come, empty at the end. Raises OSError (a TimeoutError by the watch) and ValueError."""

    def rest(self) -> None:
        """Let reading wait for the next tick: a token that nobody would pass on alone costs nothing then."""
        if self._ticker is not None:
            self.watch.waiting(self._ticker.rest(self._connection))

    def end(self, *, whole: bool) -> None:
        """Close the connection, unless the answer is `whole`, whereupon it is kept for the next call."""
        self.watch.stop()
        if whole:
            self._pool.release(self._connection)
        else:
            self._connection.abort()


class StreamClient:
    """Calls to one path of one provider. Its connections are made in the loop of the first call."""

    def __init__(self, endpoint: Endpoint, path: str, timeouts: Timeouts) -> None:
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._origin = Origin.of(endpoint.url)
        self._pool: Pool | None = None
        self._ticker: Ticker | None = None
        self._head = _head(self._origin, urlsplit(endpoint.url).path + path, endpoint.headers)
        if self._origin.secure:
            # Reads a file: now rather than with the first question.
            trust()

    def __repr__(self) -> str:
        return f"StreamClient({self._endpoint.provider!r}, {self._endpoint.url!r})"

    async def post(self, body: bytes) -> Call:
        """Send `body` and wait until the provider accepts with an event stream. Raises ProviderError."""
        watch = Watch(self._timeouts)
        pool = self._pool or self._start()
        connection = pool.take() or await self._connect(pool, watch)
        try:
            watch.start(connection.fail)
            connection.send(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
            await self._answered(connection, watch)
            if connection.status != 200 or _content_type(connection) != "text/event-stream":
                raise await self._refusal(connection)
        except BaseException:
            watch.stop()
            connection.abort()
            raise
        return Call(connection, watch, pool, self._ticker)

    @property
    def idle(self) -> int:
        """How many connections wait for another call."""
        return 0 if self._pool is None else self._pool.idle

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _start(self) -> Pool:
        self._pool = Pool(self._origin)
        if self._timeouts.pause:
            self._ticker = Ticker(asyncio.get_running_loop(), self._timeouts.pause)
        return self._pool

    async def _connect(self, pool: Pool, watch: Watch) -> Connection:
        provider = self._endpoint.provider
        try:
            async with asyncio.timeout(self._timeouts.connect), asyncio.timeout_at(watch.first_token_at) as first_token:
                return await pool.connect()
        except TimeoutError:
            kind = watch.which() if first_token.expired() else "connect_timeout"
            raise failure(provider, kind, reached=False) from None
        except (OSError, RuntimeError, UnicodeError):
            # Loops tell of some addresses that lead nowhere by a RuntimeError, of some names by a UnicodeError.
            raise failure(provider, "server", reached=False) from None

    async def _answered(self, connection: Connection, watch: Watch) -> None:
        provider = self._endpoint.provider
        try:
            await connection.answered()
        except TimeoutError:
            raise failure(provider, watch.expired or watch.which()) from None
        except BrokenConnectionError:
            raise failure(provider, "cut", reached=True if connection.heard else None) from None
        except ForeignAnswerError:
            raise failure(provider, "malformed") from None

    async def _refusal(self, connection: Connection) -> ProviderError:
        provider = self._endpoint.provider
        body = await _error_body(connection)
        codes, _ = describe(body)
        error = from_response(provider, connection.status, connection.headers, body)
        _log.warning(
            "provider refused a call",
            provider=provider,
            kind=error.kind,
            status=connection.status,
            code=_plain(codes[0]) if codes else "",
            provider_request_id=_plain("".join(connection.headers.get(name, "") for name in _REQUEST_ID)),
        )
        return error


def _head(origin: Origin, path: str, headers: Mapping[str, str]) -> bytes:
    """What every request begins with, up to its length. URL and key were checked: none of it can break a line."""
    fields = {
        "host": origin.authority,
        "user-agent": "deskwire",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        **headers,
    }
    lines = (f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "content-length: ")
    return "\r\n".join(lines).encode("ascii")


def _content_type(connection: Connection) -> str:
    return connection.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _error_body(connection: Connection) -> bytes:
    """The start of an error body, as much of it as comes in time."""
    body = bytearray()
    try:
        while len(body) < _MAX_ERROR_BODY and (piece := await connection.read()):
            body += piece
    except (OSError, ForeignAnswerError) as error:
        _log.debug("the body of a provider's error is incomplete", cause=type(error).__name__)
    return bytes(body[:_MAX_ERROR_BODY])


def _plain(value: str) -> str:
    """A foreign code or id, fit for a log."""
    return "".join(letter for letter in value[:64] if letter.isalnum() or letter in "_-.")
