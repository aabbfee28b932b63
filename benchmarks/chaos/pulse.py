"""Measures how much the machine itself kept a run waiting, so that what is late by it can be told apart.

Run as `python -m benchmarks.chaos.pulse FILE`: a process that wants to wake every few milliseconds and writes down,
four times a second, how late it was at most and for which share of the time some program waited for a core.
"""

from __future__ import annotations

import asyncio
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

_BEAT = 0.01
_BUCKET = 0.25
_NOTABLE = 0.05
_PRESSURE = Path("/proc/pressure/cpu")


@dataclass(frozen=True, slots=True)
class Stall:
    """What the machine did to everybody within some time."""

    machine: float
    """Seconds by which a process that only wanted to wake was late, at most."""
    waiting: float | None
    """Share of the time in which some program was ready and had no core; None where the kernel does not tell."""
    harness: float
    """Seconds by which the loops of the run's own clients and links were late, at most."""

    def __str__(self) -> str:
        waiting = "" if self.waiting is None else f", a program waited for a core {self.waiting:.0%} of the time"
        return f"machine late by {self.machine:.2f} s, clients and links by {self.harness:.2f} s{waiting}"


class Control:
    """What was measured in a run, on the clock of `time.monotonic`."""

    def __init__(self, pulse: Iterable[bytes], lags: Iterable[tuple[float, float]]) -> None:
        """`pulse` are lines of this program; `lags` when a loop of the run was late, and by how much."""
        measured = [orjson.loads(line) for line in pulse]
        self._ends: Sequence[float] = [each[0] for each in measured]
        self._latest: Sequence[float] = [each[1] for each in measured]
        self._waiting: Sequence[float | None] = [each[2] for each in measured]
        self._lags = sorted(lags)

    @classmethod
    def read(cls, file: Path, lags: Iterable[tuple[float, float]]) -> Control:
        """With the pulse of a file, if it is there."""
        return cls(file.read_bytes().splitlines() if file.exists() else (), lags)

    def between(self, begin: float, end: float) -> Stall:
        """The worst of some time."""
        first, last = bisect_left(self._ends, begin), bisect_left(self._ends, end) + 1
        known = [share for share in self._waiting[first:last] if share is not None]
        low, high = bisect_left(self._lags, (begin, 0.0)), bisect_left(self._lags, (end + _BUCKET, 0.0))
        return Stall(
            max(self._latest[first:last], default=0.0),
            sum(known) / len(known) if known else None,
            max((lag for _, lag in self._lags[low:high]), default=0.0),
        )

    @property
    def whole(self) -> Stall:
        """The worst of the run."""
        return self.between(0.0, float("inf"))


async def watch_loop(note: Callable[[float], None]) -> None:
    """Tell by how many seconds this event loop was late, for ever, where that is worth a word."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(_BEAT)
        lag = time.monotonic() - before - _BEAT
        if lag > _NOTABLE:
            note(round(lag, 4))


def _waited() -> float | None:
    """Seconds, since the machine's start, in which some program waited for a core."""
    try:
        return int(_PRESSURE.read_text().split("\n", 1)[0].rpartition("=")[2]) / 1e6
    except (OSError, ValueError):
        return None


def _beat(file: Path) -> None:
    with file.open("ab", buffering=0) as out:
        began, waited, latest = time.monotonic(), _waited(), 0.0
        while True:
            before = time.monotonic()
            time.sleep(_BEAT)
            now = time.monotonic()
            latest = max(latest, now - before - _BEAT)
            if now - began >= _BUCKET:
                total = _waited()
                share = None if total is None or waited is None else min(1.0, (total - waited) / (now - began))
                out.write(orjson.dumps([round(now, 3), round(latest, 4), share]) + b"\n")
                began, waited, latest = now, total, 0.0


if __name__ == "__main__":
    _beat(Path(sys.argv[1]))
