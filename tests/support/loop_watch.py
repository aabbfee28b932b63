"""Measures for how long steps of an event loop keep it from all else."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MOST = 0.010
"""Seconds of one step at most."""


@dataclass
class LoopWatch:
    """Steps that took long, as seconds of processor time: what others do on the machine does not count."""

    steps: list[tuple[float, str]] = field(default_factory=list)

    @property
    def longest(self) -> tuple[float, str]:
        """The longest step and what it was."""
        return max(self.steps, default=(0.0, ""))

    def check(self) -> None:
        """Fail when a step took longer than it may."""
        took, what = self.longest
        assert took <= MOST, f"the event loop was kept for {1_000 * took:.1f} ms by {what}"


@contextmanager
def watched_loop() -> Iterator[LoopWatch]:
    """Watch every step of the loops of this process meanwhile. Collections of garbage are left until after it."""
    watch = LoopWatch()
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        started = time.thread_time()
        try:
            run(handle)
        finally:
            took = time.thread_time() - started
            if took > MOST / 4:
                watch.steps.append((took, repr(handle)))

    was_collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    asyncio.Handle._run = timed  # type: ignore[method-assign]
    try:
        yield watch
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]
        if was_collecting:
            gc.enable()
