"""Carries the faults of a schedule out, one after the other, and writes down when each hit and when it was over."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

import psutil

from benchmarks.chaos.parts import Parts
from benchmarks.chaos.schedule import REPLICAS, Fault, Kind, Part

_FREEZABLE_WHOLE = frozenset({Part.POSTGRES})
"""Parts of several processes, all of which have to stand still."""
_LONGEST_END = 15.0
"""Seconds within which a replica must have ended after SIGTERM: three times its grace."""


@dataclass(frozen=True, slots=True)
class Done:
    """A fault that was carried out. Times are those of `time.monotonic`."""

    fault: Fault
    at: float
    """When it hit."""
    over: float
    """When its work was done again: by the part itself, or where there is a second one, once the first was gone."""

    def as_json(self) -> dict[str, object]:
        """For the journal."""
        return {**asdict(self.fault), "at": self.at, "over": self.over}


class Injector:
    """Runs a schedule against the parts."""

    def __init__(self, parts: Parts, report: Callable[[str], None]) -> None:
        self._parts = parts
        self._report = report
        self.done: list[Done] = []
        self.stuck: list[str] = []
        """Replicas that did not end in good time, and had to be killed."""

    async def carry_out(self, fault: Fault) -> None:
        """Do it, wait until its work is done again, then keep calm. Raises TimeoutError if that never happens.

        A replica is only touched while both take calls: two faults at once that leave nobody are another promise.
        """
        if fault.target.startswith(REPLICAS):
            await self._parts.until_routed()
        self._report(f"{len(self.done) + 1}: {fault}")
        at = time.monotonic()
        if fault.kind is Kind.CUT:
            self._parts.links[fault.target].cut()
        elif fault.kind is Kind.SILENCE:
            await self._silence(fault)
        elif fault.kind is Kind.FREEZE:
            await self._freeze(fault)
        else:
            await self._end(fault)
        over = time.monotonic()
        self.done.append(Done(fault, at, over))
        await asyncio.sleep(fault.calm)

    async def _end(self, fault: Fault) -> None:
        child = self._parts.children[fault.target]
        child.send(signal.SIGKILL if fault.kind is Kind.KILL else signal.SIGTERM)
        try:
            async with asyncio.timeout(_LONGEST_END):
                await child.wait()
        except TimeoutError:
            self.stuck.append(f"{fault.target} did not end within {_LONGEST_END:.0f} s of fault {len(self.done) + 1}")
            self._report(f"   {self.stuck[-1]}")
            child.send(signal.SIGKILL)
            await child.wait()
        if fault.target not in REPLICAS:
            await self._parts.until_ready(fault.target)

    async def _freeze(self, fault: Fault) -> None:
        family = self._parts.family(fault.target)
        for process in family if fault.target in _FREEZABLE_WHOLE else family[:1]:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            for process in reversed(family):
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    async def _silence(self, fault: Fault) -> None:
        link = self._parts.links[fault.target]
        link.silence()
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            link.resume()


def counts_from(done: Done) -> float:
    """The moment from which the time to resume counts.

    That of the fault where another part can step in at once; that of the return where none can: of Postgres and Envoy
    after a kill, and of what was frozen or silenced.
    """
    fault = done.fault
    if fault.kind in (Kind.FREEZE, Kind.SILENCE):
        return done.at if fault.target in REPLICAS else done.over
    if fault.kind is Kind.KILL and fault.target in (Part.POSTGRES, Part.ENVOY):
        return done.over
    return done.at
