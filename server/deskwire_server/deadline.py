"""Ends a process that was asked to end and does not, and says what kept it."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from contextlib import suppress
from typing import Any

import structlog

_log = structlog.get_logger(__name__)
_EXIT_CODE = 1
_LAST_WORD = 3.0
"""Seconds to say what still runs. Then the process ends in any case, by a watch that needs nothing of Python's."""


class Deadline:
    """The time by which this process has ended, whatever still runs in it. Kept to by a thread of its own."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def set(self, seconds: float) -> None:
        """The process ends `seconds` from now at the latest. Call it on the event loop; a later call replaces it."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, _end, (asyncio.get_running_loop(), seconds))
        # A thread that were waited for would keep the process itself.
        self._timer.daemon = True
        self._timer.start()
        faulthandler.dump_traceback_later(seconds + _LAST_WORD, exit=True)


def _end(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    try:
        for task in _tasks(loop):
            _log.error("task_still_runs", task=task.get_name(), waits_at=where(task))
        _log.error("worker_did_not_end", seconds=seconds)
        faulthandler.dump_traceback(all_threads=True)
        sys.stderr.flush()
    finally:
        os._exit(_EXIT_CODE)


def _tasks(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    for _ in range(3):
        # The loop may begin or end tasks in this very moment.
        with suppress(RuntimeError):
            return [task for task in asyncio.all_tasks(loop) if not task.done()]
    return []


def where(task: asyncio.Task[Any]) -> list[str]:
    """The places in which a task waits, from its own coroutine inwards, each as `file:line function`."""
    places: list[str] = []
    waits: Any = task.get_coro()
    while waits is not None:
        frame = next(
            (found for name in ("cr_frame", "gi_frame", "ag_frame") if (found := getattr(waits, name, None))), None
        )
        if frame is not None:
            places.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        waits = next(
            (found for name in ("cr_await", "gi_yieldfrom", "ag_await") if (found := getattr(waits, name, None))), None
        )
    return places
