"""Connects to Postgres; while that is away, one try at a time, each a little later than the one before."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import asyncpg

_FIRST, _LONGEST = 0.05, 0.5
"""Seconds between two tries: short, so that a return is noticed at once by all, yet no crowd at a server that recovers.
Each is changed by up to a third."""


class Door:
    """Open while Postgres is there. Once a try has failed, whoever comes waits for the next one and shares how it ends.

    Made for one event loop.
    """

    def __init__(self, is_away: Callable[[BaseException], bool], connect: Any = asyncpg.connect) -> None:
        """`is_away` tells errors of an absent server from others, which say nothing about the next try."""
        self._is_away = is_away
        self._connect = connect
        self._failures = 0
        self._next_try = 0.0
        self._trying: asyncio.Future[None] | None = None

    async def connect(self, *arguments: Any, **options: Any) -> Any:
        """A connection, as `asyncpg.connect` makes it. Raises what that raises; `ConnectionError` for another's try."""
        while self._failures and self._trying is not None:
            failures = self._failures
            await asyncio.shield(self._trying)
            if self._failures > failures:
                raise ConnectionError("Postgres was tried a moment ago, and is away")
        if not self._failures:
            return await self._try(*arguments, **options)
        done = self._trying = asyncio.get_running_loop().create_future()
        try:
            await asyncio.sleep(self._next_try - time.monotonic())
            return await self._try(*arguments, **options)
        finally:
            self._trying = None
            done.set_result(None)

    async def _try(self, *arguments: Any, **options: Any) -> Any:
        try:
            connection = await self._connect(*arguments, **options)
        except BaseException as error:
            if self._is_away(error):
                self._failures += 1
                pause = min(_LONGEST, _FIRST * 2 ** min(self._failures - 1, 10))
                self._next_try = time.monotonic() + pause * random.uniform(2 / 3, 4 / 3)  # noqa: S311 - spreads load
            raise
        self._failures = 0
        return connection
