"""How connections are tried while Postgres is away."""

from __future__ import annotations

import asyncio
import time

import pytest

from deskwire_server.db import door
from deskwire_server.db.door import Door
from deskwire_server.db.engine import is_unreachable


class Server:
    """Away until it is there; counts who knocks, and how many at once."""

    def __init__(self) -> None:
        self.there = False
        self.error: Exception = ConnectionRefusedError()
        self.tries = self.at_once = self.most = 0

    async def connect(self, name: str) -> str:
        self.tries += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        if not self.there:
            raise self.error
        return name


@pytest.fixture
def server() -> Server:
    return Server()


async def knock(at: Door, name: str, until: float) -> str:
    """Ask again and again, as running turns do."""
    while time.monotonic() < until:
        try:
            found: str = await at.connect(name)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            return found
    return ""


async def test_many_who_ask_make_few_tries(server: Server) -> None:
    at, began = Door(is_unreachable, server.connect), time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        await at.connect("first")
    server.tries = server.most = 0
    asking = [asyncio.create_task(knock(at, str(number), began + 10)) for number in range(50)]
    await asyncio.sleep(1.5)
    # Three while the pauses grow to half a second, then two or three more.
    assert 2 <= server.tries <= 12
    assert server.most == 1

    server.there, back = True, time.monotonic()
    assert sorted(await asyncio.gather(*asking)) == sorted(map(str, range(50)))
    assert time.monotonic() - back < 2 * door._LONGEST


async def test_while_it_is_there_all_connect_at_once(server: Server) -> None:
    server.there = True
    at = Door(is_unreachable, server.connect)
    await asyncio.gather(*(at.connect(str(number)) for number in range(5)))
    assert server.most == 5


async def test_one_that_was_cancelled_leaves_the_try_to_the_next(server: Server) -> None:
    at = Door(is_unreachable, server.connect)
    with pytest.raises(ConnectionRefusedError):
        await at.connect("first")
    waiting = asyncio.create_task(at.connect("second"))
    next_one = asyncio.create_task(at.connect("third"))
    await asyncio.sleep(0)
    waiting.cancel()
    server.there = True
    assert await next_one == "third"
    assert waiting.cancelled()


async def test_a_refusal_for_another_reason_closes_nothing(server: Server) -> None:
    server.error = ValueError("a wrong password")
    at = Door(is_unreachable, server.connect)
    for _ in range(3):
        with pytest.raises(ValueError, match="password"):
            await at.connect("first")
    assert server.tries == 3
