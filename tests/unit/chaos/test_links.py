"""Links carry everything, also what a server says first, and refuse while nobody listens behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from benchmarks.chaos.links import Link


class Greeter:
    """Says a word to whoever connects, then repeats what it hears."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._greet, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()
            await self._server.wait_closed()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        writer.write(b"hello")
        with suppress(ConnectionError):
            while data := await reader.read(64):
                writer.write(data)
        writer.close()


@pytest.fixture
async def greeter() -> AsyncIterator[Greeter]:
    made = Greeter()
    await made.start()
    yield made
    await made.die()


@pytest.fixture
async def link(greeter: Greeter) -> AsyncIterator[Link]:
    made = Link("greeter", greeter.port)
    await made.open()
    yield made
    made.close()
    await asyncio.sleep(0)


@asynccontextmanager
async def connected(link: Link) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        async with asyncio.timeout(5):
            yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def until(link: Link, *, listens: bool) -> None:
    async with asyncio.timeout(5):
        while (link._server is not None) is not listens:
            await asyncio.sleep(0.01)


async def test_nothing_that_is_said_first_is_lost(link: Link) -> None:
    for _ in range(30):
        async with connected(link) as (reader, writer):
            writer.write(b" you")
            assert await reader.readexactly(9) == b"hello you"


async def test_it_refuses_while_nobody_listens(link: Link, greeter: Greeter) -> None:
    async with connected(link) as (reader, _):
        assert await reader.readexactly(5) == b"hello"
        await greeter.die()
    await until(link, listens=False)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", link.port)

    await greeter.start()
    await until(link, listens=True)
    async with connected(link) as (reader, _):
        assert await reader.readexactly(5) == b"hello"
