"""Keeps background loops alive and watches the event loop itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import structlog

from deskwire_server.deadline import where
from deskwire_server.errors import Unavailable
from deskwire_server.metrics import Metrics

_log = structlog.get_logger(__name__)
_RESTART_AFTER = 1.0
_LAG_INTERVAL = 0.1
_T = TypeVar("_T")
_CANCELLATIONS = 10
_HEED = 1.0
"""Seconds that a task gets to end before it is cancelled again."""


async def attempt(action: Callable[[], Awaitable[None]]) -> None:
    """Do something once; a dependency that is away is noted and forgiven."""
    try:
        await action()
    except Unavailable as error:
        _log.warning("background_step_postponed", error=error.message)


async def insist(step: Callable[[], Awaitable[_T]], *, patience: float, pause: float, longest_pause: float) -> _T:
    """Do a step again and again while a dependency is away, with pauses that double up to the longest.

    Raises the last `Unavailable` once `patience` seconds are over.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return await step()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest_pause)


async def keep_looking(step: Callable[[], Awaitable[None]], woken: asyncio.Event, *, every: float) -> None:
    """Take a step for ever: every so many seconds, and at once when woken. A dependency that is away is forgiven."""
    while True:
        woken.clear()
        await attempt(step)
        try:
            async with asyncio.timeout(every):
                await woken.wait()
        except TimeoutError:
            continue


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended, whatever they end with.

    One cancellation is not always enough: it is lost when it comes as `asyncio.wait_for` returns (Python 3.11), which
    drivers use, and a loop would then go on for ever.
    """
    pending = {task for task in tasks if not task.done()}
    for times in range(_CANCELLATIONS):
        if not pending:
            return
        for task in pending:
            if times:
                _log.warning("task_cancelled_again", task=task.get_name(), waits_at=where(task))
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_HEED)
    for task in pending:
        _log.error("task_did_not_end", task=task.get_name(), waits_at=where(task))


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
