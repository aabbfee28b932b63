"""One streaming call to a provider over HTTP: connect, watch the clock, read bytes, close at once when told to.

No redirects, no proxies from the environment, no cookies, no retries, no decompression.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import structlog

from deskwire_server import lazy
from deskwire_server.errors import InvalidArgument
from deskwire_server.llm.failures import Kind, describe, failure, from_response
from deskwire_server.settings import Settings

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = lazy.module("aiohttp")

_log = structlog.get_logger(__name__)

_MAX_ERROR_BODY = 64 * 1024
_MAX_KEY_LENGTH = 4_096
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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider's calls go. The headers carry the key and never show in a repr."""

    provider: str
    url: str
    headers: Mapping[str, str] = field(repr=False)


def checked_key(key: str) -> str:
    """`key` if it can stand in a header. Raises InvalidArgument, which does not repeat it."""
    if not key:
        raise InvalidArgument.field("api_key", "must not be empty", "string.min_len")
    if len(key) > _MAX_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidArgument.field("api_key", "must be printable ASCII without spaces or line breaks", "string.key")
    return key


def checked_base_url(url: str) -> str:
    """`url` without a slash at its end. Raises InvalidArgument for anything but http(s) with a host and a path."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidArgument.field("base_url", "must be an http or https URL with a host", "string.uri")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidArgument.field("base_url", "must have no user info, query or fragment", "string.uri")
    return url.rstrip("/")


class Watch:
    """The clock of one call. One timer a call, moved on only when it fires, so that a token costs one clock reading.

    Waits for the caller to take an event do not count as silence of the provider; they count for the whole response.
    """

    __slots__ = ("_body", "_end", "_loop", "_timeouts", "_timer", "_waiting_since", "expired", "first_token_at", "seen")

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
        self._body: aiohttp.StreamReader | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, body: aiohttp.StreamReader) -> None:
        """From now on, fail reads of `body` when a limit passes."""
        self._body = body
        self._timer = self._loop.call_at(self.first_token_at, self._fire)

    def stop(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def waiting(self) -> None:
        """A read begins. Silence counts on from the last token while a server sends pings only."""
        if self._waiting_since is None:
            self._waiting_since = self._loop.time()
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
        if self._body is not None:
            self._body.set_exception(TimeoutError(kind))


class Body:
    """The bytes of one answer, in the pieces in which they come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._reader = response.content

    async def read(self) -> bytes:
        """The next piece, empty at the end. Raises what broke the connection."""
        return await self._reader.readany()

    def unread(self) -> bytes:
        """What came before the connection broke, which `read` would not give out any more."""
        return b"".join(self._reader._buffer)

    async def rest(self, interval: float) -> None:
        """Leave what comes to the kernel until the next tick, which is the same for all answers.

        A token that nobody would pass on alone then costs no wake-up, and one wake-up serves every answer.
        """
        connection = self._response.connection
        transport = connection.transport if connection is not None else None
        if transport is not None:
            transport.pause_reading()
        try:
            now = asyncio.get_running_loop().time()
            await asyncio.sleep(math.ceil(now / interval + 0.9) * interval - now)
        finally:
            if transport is not None and not transport.is_closing():
                transport.resume_reading()


class StreamClient:
    """Connections to one provider; makes its session at the first call, in the loop that calls."""

    def __init__(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._session: aiohttp.ClientSession | None = None
        # Loaded with a provider that is configured, not with the first question to it.
        _ = aiohttp.ClientSession

    def __repr__(self) -> str:
        return f"StreamClient({self._endpoint.provider!r}, {self._endpoint.url!r})"

    @asynccontextmanager
    async def post(self, path: str, body: bytes) -> AsyncGenerator[tuple[Body, Watch]]:
        """Send `body`; gives the event stream's bytes once the provider has accepted. Raises ProviderError.

        Leaving closes the connection, unless the stream was read to its end, whereupon the connection is kept.
        """
        watch = Watch(self._timeouts)
        response = await self._open(path, body, watch)
        try:
            if response.status != 200 or response.content_type != "text/event-stream":
                raise await self._refusal(response, watch)
            watch.start(response.content)
            yield Body(response), watch
        finally:
            watch.stop()
            _hang_up(response)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _open(self, path: str, body: bytes, watch: Watch) -> aiohttp.ClientResponse:
        provider = self._endpoint.provider
        try:
            async with asyncio.timeout_at(watch.first_token_at):
                return await self._get_session().post(self._endpoint.url + path, data=body, allow_redirects=False)
        except aiohttp.ConnectionTimeoutError:
            raise failure(provider, "connect_timeout", reached=False) from None
        except TimeoutError:
            raise failure(provider, watch.which()) from None
        except aiohttp.ClientConnectorError:
            raise failure(provider, "server", reached=False) from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            raise failure(provider, "cut", reached=False) from None
        except aiohttp.ClientError:
            # The chain is dropped on purpose: aiohttp's errors carry the request's headers.
            raise failure(provider, "malformed") from None

    async def _refusal(self, response: aiohttp.ClientResponse, watch: Watch) -> Exception:
        provider = self._endpoint.provider
        body = await _error_body(response, watch.first_token_at)
        codes, _ = describe(body)
        error = from_response(provider, response.status, response.headers, body)
        _log.warning(
            "provider refused a call",
            provider=provider,
            kind=error.kind,
            status=response.status,
            code=_plain(codes[0]) if codes else "",
            provider_request_id=_plain("".join(response.headers.get(name, "") for name in _REQUEST_ID)),
        )
        return error

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=self._timeouts.connect, sock_connect=self._timeouts.connect
                ),
                headers={
                    "content-type": "application/json",
                    "accept": "text/event-stream",
                    "accept-encoding": "identity",
                    "user-agent": "deskwire",
                    **self._endpoint.headers,
                },
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
            )
        return self._session


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """End the call now. Aborting skips the TLS farewell, which a stalled server could drag out."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


async def _error_body(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """The start of an error body, as much of it as comes in time."""
    body = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            while len(body) < _MAX_ERROR_BODY and (piece := await response.content.readany()):
                body += piece
    except (TimeoutError, aiohttp.ClientError) as error:
        _log.debug("the body of a provider's error is incomplete", cause=type(error).__name__)
    return bytes(body[:_MAX_ERROR_BODY])


def _plain(value: str) -> str:
    """A foreign code or id, fit for a log."""
    return "".join(letter for letter in value[:64] if letter.isalnum() or letter in "_-.")
