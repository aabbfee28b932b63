"""Processes under measurement: started on a core of their own, timed by the kernel, ended at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from deskwire_server.stack.launch import Command

_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
_PATIENCE = 10.0
_GLANCE, _REST_LIMIT = 1.0, 60.0
_AT_REST = 0.03
"""Share of a core that an idle worker may take: leases, health, what it tells others."""


class Place(StrEnum):
    """Where a program runs."""

    MEASURED = "measured"
    SECOND = "second"
    """A second one that is measured together with another."""
    OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Cores:
    """What is measured has a core of its own as far as the machine has two, a second one as far as it has three."""

    measured: frozenset[int]
    second: frozenset[int]
    others: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> Cores:
        """The last core for what is measured, the last but one for a second, the first ones for the rest."""
        *rest, last = sorted(os.sched_getaffinity(0))
        last_but_one = rest.pop() if len(rest) > 1 else last
        return cls(frozenset({last}), frozenset({last_but_one}), frozenset(rest or {last}))

    def at(self, place: Place) -> frozenset[int]:
        """The cores of a place."""
        return {Place.MEASURED: self.measured, Place.SECOND: self.second, Place.OTHERS: self.others}[place]


class Process:
    """A program that runs for as long as it is measured."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, stop_signal: signal.Signals) -> None:
        self.name = name
        self._process = process
        self._stop_signal = stop_signal

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all its threads since its start, to the nanosecond as the kernel counts it."""
        return time.clock_gettime((~self.pid << 3) | 2)

    @property
    def resident_bytes(self) -> int:
        """Its memory: pages of its own, and of libraries as far as it has touched them."""
        return int(psutil.Process(self.pid).memory_info().rss)

    async def line(self, timeout: float = 60) -> str:
        """The next line that it prints. Raises RuntimeError when it ends instead."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), timeout)
        if not line:
            raise RuntimeError(f"{self.name} ended with code {await self._process.wait()}")
        return line.decode().strip()

    async def at_rest(self) -> None:
        """Wait until it does next to nothing. Raises TimeoutError."""
        async with asyncio.timeout(_REST_LIMIT):
            while True:
                before = self.cpu_seconds
                await asyncio.sleep(_GLANCE)
                if self.cpu_seconds - before < _AT_REST * _GLANCE:
                    return

    async def stop(self) -> None:
        """End it, by force when it takes too long."""
        if self._process.returncode is None:
            self._process.send_signal(self._stop_signal)
            try:
                await asyncio.wait_for(self._process.wait(), _PATIENCE)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


async def start(name: str, command: Command, *, cores: frozenset[int], log: Path) -> Process:
    """Start a program on these cores, tied to the life of this process; what it says on stderr goes to `log`."""
    everywhere = os.sched_getaffinity(0)
    with log.open("ab") as errors:
        # Inherited by the child from its first instruction on.
        os.sched_setaffinity(0, cores)
        try:
            process = await asyncio.create_subprocess_exec(
                *command.guarded_argv(),
                env=dict(command.environment),
                cwd=command.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, everywhere)
    return Process(name, process, command.stop_signal)


def module(name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Command:
    """A Python module as a program, in an environment without the settings of the shell."""
    found = {each: os.environ[each] for each in _INHERITED if each in os.environ}
    found |= {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path), "PYTHONUNBUFFERED": "1"}
    return Command([sys.executable, "-m", name, *arguments], found | dict(environment or {}), folder=Path.cwd())
