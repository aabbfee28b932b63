"""Keeps background loops alive and watches the event loop itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from deskwire_server.errors import Unavailable
from deskwire_server.metrics import Metrics

_log = structlog.get_logger(__name__)
_RESTART_AFTER = 1.0
_LAG_INTERVAL = 0.1


async def attempt(action: Callable[[], Awaitable[None]]) -> None:
    """Do something once; a dependency that is away is noted and forgiven."""
    try:
        await action()
    except Unavailable as error:
        _log.warning("background_step_postponed", error=error.message)


async def keep_running(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run a background loop for ever; a fault is logged and the loop begun again."""
    while True:
        try:
            await loop()
            return
        except Exception:
            _log.exception("background_loop_broke", loop=name)
            await asyncio.sleep(_RESTART_AFTER)


def watch_loop(metrics: Metrics) -> Callable[[], Awaitable[None]]:
    """A loop that measures how late it wakes up: that long the event loop was kept from all else."""

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_LAG_INTERVAL)
            metrics.loop_lag.observe(max(0.0, time.perf_counter() - before - _LAG_INTERVAL))

    return watch
