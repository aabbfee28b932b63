"""A server that speaks in bytes: what a test lets it say, HTTP or not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.left = asyncio.Event()
        """The client closed the connection."""

    async def request(self) -> tuple[str, bytes]:
        """Head and body of the next request. Raises IncompleteReadError where the client leaves instead."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.strip().split("\r\n")[1:])
        return head, await self._reader.readexactly(int(fields["content-length"]))

    async def say(self, *pieces: bytes) -> None:
        """Send `pieces`, each in a packet of its own as far as the kernel lets it."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Close in good order."""
        self._writer.close()

    def reset(self) -> None:
        """Close without a farewell."""
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client has left."""
        try:
            while await self._reader.read(65_536):
                pass
        except ConnectionResetError:
            self.reset()
        self.left.set()


class RawServer:
    """Runs `talk` for each connection."""

    def __init__(self, talk: Callable[[Peer], Awaitable[None]]) -> None:
        self._talk = talk
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.peers: list[Peer] = []
        """The connections so far."""
        self.port = 0

    async def start(self, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, host, 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Close everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            peer.reset()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        task = asyncio.ensure_future(self._run(peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, peer: Peer) -> None:
        try:
            await self._talk(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            peer.left.set()
