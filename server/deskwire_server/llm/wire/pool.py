"""Connections to one server: made when they are needed, kept for the next request, closed when they rested enough."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

import aiohappyeyeballs

from deskwire_server.llm.wire.connection import Connection

_MOST_IDLE: Final = 256
_SECOND_ADDRESS_AFTER: Final = 0.25
"""Seconds that an address of a name has before the next one is tried beside it."""
_ADDRESSES_FOR: Final = 10.0
"""Seconds that a name's addresses are known."""
_DRAIN_SECONDS: Final = 0.05
"""Wait for the end of an answer's body behind what was wanted of it, so that the connection can be used again."""


@functools.cache
def trust() -> ssl.SSLContext:
    """Checks certificates against those that the machine trusts, and the host's name. Made once: it takes a while."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(frozen=True, slots=True)
class Origin:
    """A server."""

    host: str
    port: int
    secure: bool

    @classmethod
    def of(cls, url: str) -> Self:
        """That of an http or https URL."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if secure else 80), secure)

    @property
    def authority(self) -> str:
        """What the host field of a request says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


class Pool:
    """Connections to one origin, all of one event loop."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._loop = asyncio.get_running_loop()
        self._open: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._addresses: list[aiohappyeyeballs.AddrInfoType] = []
        self._addresses_until = 0.0

    @property
    def idle(self) -> int:
        """How many connections rest here."""
        return len(self._idle)

    def take(self) -> Connection | None:
        """A connection that rests here and is sound, the latest first; None where there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_until > self._loop.time() and connection.healthy():
                return connection
            connection.abort()
        return None

    async def connect(self) -> Connection:
        """A new connection. Raises OSError, also for a certificate that is not trusted."""
        origin = self._origin
        sock = await aiohappyeyeballs.start_connection(
            await self._resolved(), happy_eyeballs_delay=_SECOND_ADDRESS_AFTER, interleave=1, loop=self._loop
        )
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._loop, self._open.discard),
                sock=sock,
                ssl=trust() if origin.secure else None,
                server_hostname=origin.host if origin.secure else None,
            )
        except BaseException:
            sock.close()
            raise
        if not connection.closed:
            self._open.add(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """Take back a connection whose answer is known: it is kept if the body ends now, or in a moment."""
        if connection.reusable:
            self._keep(connection)
        elif connection.complete or connection.closed:
            connection.abort()
        else:
            late = self._loop.call_later(_DRAIN_SECONDS, connection.abort)
            connection.drain(functools.partial(self._drained, connection, late))

    def close(self) -> None:
        """Close every connection, those in use too."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._idle.clear()
        for connection in tuple(self._open):
            connection.abort()

    def _drained(self, connection: Connection, late: asyncio.TimerHandle) -> None:
        late.cancel()
        if connection.reusable:
            self._keep(connection)
        else:
            connection.abort()

    def _keep(self, connection: Connection) -> None:
        if len(self._idle) >= _MOST_IDLE:
            self._idle.popleft().abort()
        rest = connection.idle()
        connection.idle_until = self._loop.time() + rest
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(rest, self._sweep_idle)

    def _sweep_idle(self) -> None:
        """Close what has rested long enough. What is used again comes back at the other end."""
        self._sweep = None
        now = self._loop.time()
        resting = [connection for connection in self._idle if not connection.closed]
        self._idle.clear()
        for connection in resting:
            if connection.idle_until > now:
                self._idle.append(connection)
            else:
                connection.abort()
        if self._idle:
            first = min(connection.idle_until for connection in self._idle)
            self._sweep = self._loop.call_at(max(first, now + 1), self._sweep_idle)

    async def _resolved(self) -> list[aiohappyeyeballs.AddrInfoType]:
        if self._loop.time() >= self._addresses_until:
            self._addresses = list(
                await self._loop.getaddrinfo(self._origin.host, self._origin.port, type=socket.SOCK_STREAM)
            )
            self._addresses_until = self._loop.time() + _ADDRESSES_FOR
        return self._addresses
