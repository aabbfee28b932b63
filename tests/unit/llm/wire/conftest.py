"""Both event loops, and a raw server that says to each connection what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest
import uvloop

from tests.support.raw_server import Peer, RawServer


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests of this folder run on either loop."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def serve() -> AsyncGenerator[Callable[[Callable[[Peer], Awaitable[None]]], Awaitable[RawServer]]]:
    """Starts a server that runs this for each connection."""
    servers: list[RawServer] = []

    async def start(talk: Callable[[Peer], Awaitable[None]]) -> RawServer:
        servers.append(RawServer(talk))
        await servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        await server.close()
