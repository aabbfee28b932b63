"""Common moments at which connections are read, so that one wake-up serves many answers."""

from __future__ import annotations

import asyncio
import math

from deskwire_server.llm.wire.connection import Connection


class Ticker:
    """Wakes resting connections together: at moments that are the same for all, `interval` seconds apart."""

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        self._loop = loop
        self._interval = interval
        self._resting: dict[int, list[Connection]] = {}

    def rest(self, connection: Connection) -> float:
        """Take nothing from `connection` until a tick that is almost an interval away or more; returns its time."""
        connection.rest()
        tick = math.ceil(self._loop.time() / self._interval + 0.9)
        resting = self._resting.get(tick)
        if resting is None:
            resting = self._resting[tick] = []
            self._loop.call_at(tick * self._interval, self._wake, tick)
        resting.append(connection)
        return tick * self._interval

    def _wake(self, tick: int) -> None:
        for connection in self._resting.pop(tick):
            connection.rouse()
