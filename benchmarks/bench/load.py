"""One run of a load: conversations side by side, each asking one question after the other."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from benchmarks.bench.clients import Caller, TokenCaller
from benchmarks.bench.processes import Process
from benchmarks.bench.script import BETWEEN_TOKENS, FIRST_TOKEN, PACED, TOKENS

_runs = count()


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked, and how the provider answers."""

    conversations: int
    turns: int
    """Questions in each conversation."""
    model: str

    @property
    def name(self) -> str:
        """As tables head it."""
        return f"{self.model}, {self.conversations}"

    @property
    def asked(self) -> int:
        """Questions in all."""
        return self.conversations * self.turns


@dataclass(frozen=True, slots=True)
class System:
    """A caller and the processes that serve it."""

    name: str
    caller: Caller
    servers: tuple[Process, ...] = ()
    """Whose processor time counts as the server's."""
    proxies: tuple[Process, ...] = ()
    """Whose time is told apart: Envoy."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run measured. Times in seconds."""

    asked: int
    seconds: float
    server_cpu: float
    proxy_cpu: float
    first: tuple[float, ...]
    """Time to the first text of each question, sorted."""

    @property
    def tokens(self) -> int:
        """Tokens that were passed on."""
        return self.asked * TOKENS

    @property
    def p50(self) -> float:
        """Median time to the first text."""
        return statistics.median(self.first)

    @property
    def p99(self) -> float:
        """99th percentile of it."""
        return self.first[min(len(self.first) - 1, int(len(self.first) * 0.99))]


async def run(system: System, load: Load) -> Sample:
    """Put one load on one system. Raises what a question raises: a wrong answer makes no figure."""
    number = next(_runs)
    names = [f"bench-{number}-{conversation}" for conversation in range(load.conversations)]
    if isinstance(system.caller, TokenCaller):
        for name in names:
            system.caller.token(name)
    first: list[float] = []
    # People do not ask in step: paced conversations begin one after the other within the length of a turn.
    spread = (FIRST_TOKEN + TOKENS * BETWEEN_TOKENS) / load.conversations if load.model == PACED else 0.0

    async def talk(position: int, name: str) -> None:
        await asyncio.sleep(position * spread)
        for _ in range(load.turns):
            first.append(await system.caller.ask(name, load.model))

    before = _cpu(system.servers), _cpu(system.proxies)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for position, name in enumerate(names):
            tasks.create_task(talk(position, name))
    seconds = time.perf_counter() - began
    server, proxy = _cpu(system.servers) - before[0], _cpu(system.proxies) - before[1]
    return Sample(load.asked, seconds, server, proxy, tuple(sorted(first)))


def _cpu(processes: Sequence[Process]) -> float:
    return sum(process.cpu_seconds for process in processes)
