"""The whole measurement: every system under every load, round by round, then memory and round trips."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import clients, idle, processes, wire
from benchmarks.bench.goals import BARE, COMMON, DESKWIRE, DIRECT, FULL, STUBBED, TWO, WEB, Measured
from benchmarks.bench.load import Load, Sample, System, run
from benchmarks.bench.processes import Cores
from benchmarks.bench.script import PACED, UNPACED
from benchmarks.bench.stage import STUBBED as STUBBED_PROGRAM
from benchmarks.bench.stage import Stage, Worker, staged
from deskwire_server.demo import content as demo

_WARM_UP = Load(4, 10, UNPACED)
_COUNTED = Load(1, 30, UNPACED)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    loads: Sequence[Load]
    streams: int
    """Idle streams."""


FULL_PLAN = Plan(
    rounds=5,
    loads=(
        Load(1, 10, PACED), Load(20, 5, PACED), Load(50, 3, PACED), Load(200, 1, PACED),
        Load(1, 40, UNPACED), Load(20, 6, UNPACED), Load(50, 4, UNPACED), Load(200, 1, UNPACED),
    ),
    streams=2_000,
)  # fmt: skip
QUICK_PLAN = Plan(
    rounds=1, loads=(Load(1, 3, PACED), Load(20, 1, PACED), Load(50, 1, PACED), Load(50, 1, UNPACED)), streams=100
)
_ONLY = {
    STUBBED: {f"{PACED}, 20", f"{UNPACED}, 50"},
    TWO: {f"{PACED}, 50", f"{UNPACED}, 50"},
    FULL: {f"{PACED}, 1", f"{PACED}, 20", f"{UNPACED}, 50"},
}
"""Systems that are put under these loads only."""


async def measure(plan: Plan, folder: Path, say: Callable[[str], None]) -> Measured:
    """Measure all of it. `say` hears how far it is."""
    cores = Cores.of_this_machine()
    os.sched_setaffinity(0, cores.others)
    async with staged(folder, cores) as stage:
        say("servers are starting")
        worker = await stage.start_worker("deskwire")
        start_bytes = await idle.settled(worker.process)
        async with _systems(stage, worker) as systems:
            runs = await _rounds(plan, systems, say)
        say("round trips to Postgres")
        trips, hot = await _round_trips(stage)
        say(f"{plan.streams} idle streams")
        watched = await idle.measure(await stage.start_worker("deskwire-idle"), stage.settings, plan.streams)
    return Measured(runs, plan.loads, start_bytes, watched, trips, hot)


@asynccontextmanager
async def _systems(stage: Stage, worker: Worker) -> Any:
    """What is measured side by side."""
    bare = await stage.run("bare", processes.module("benchmarks.bench.passthrough", stage.provider), measured=True)
    common = await stage.run("common", processes.module("benchmarks.bench.sse_service", stage.provider), measured=True)
    bare_address, common_url = await bare.line(), await common.line()
    stubbed = await stage.start_worker("stubbed", program=STUBBED_PROGRAM)
    full = await stage.start_full_worker("full")
    second = await stage.start_worker("deskwire-2")
    envoy, web_url = await stage.start_envoy(worker)
    settings, one = stage.settings, worker.address
    systems = [
        System(DIRECT, clients.DirectCaller(stage.provider)),
        System(BARE, clients.PassThroughCaller(bare_address), (bare,)),
        System(COMMON, clients.SseCaller(common_url), (common,)),
        System(DESKWIRE, clients.GrpcCaller(settings, [one]), (worker.process,)),
        System(WEB, clients.GrpcWebCaller(settings, web_url), (worker.process,), (envoy,)),
        System(STUBBED, clients.GrpcCaller(settings, [stubbed.address]), (stubbed.process,)),
        System(TWO, clients.GrpcCaller(settings, [one, second.address]), (worker.process, second.process)),
        System(FULL, clients.GrpcCaller(settings, [full.address], demo.TENANT), (full.process,)),
    ]
    async with AsyncExitStack() as stack:
        for system in systems:
            stack.push_async_callback(system.caller.close)
        yield systems


async def _rounds(
    plan: Plan, systems: Sequence[System], say: Callable[[str], None]
) -> dict[tuple[str, str], list[Sample]]:
    runs: defaultdict[tuple[str, str], list[Sample]] = defaultdict(list)
    for system in systems:
        await run(system, _WARM_UP)
    for number in range(plan.rounds):
        say(f"round {number + 1} of {plan.rounds}")
        for load in plan.loads:
            # Each round begins with another system, so that none always follows the same one.
            turned = [*systems[number % len(systems) :], *systems[: number % len(systems)]]
            for system in turned:
                if load.name in _ONLY.get(system.name, {load.name}):
                    runs[system.name, load.name].append(await run(system, load))
    return dict(runs)


async def _round_trips(stage: Stage) -> tuple[dict[str, float], float]:
    """Round trips of a turn in conversations that go on, and their sum on the hot path."""
    async with wire.counted(stage.urls.app) as trips:
        worker = await stage.start_worker("deskwire-counted", database_url=trips.url)
        system = System(DESKWIRE, clients.GrpcCaller(stage.settings, [worker.address]), (worker.process,))
        try:
            await run(system, _WARM_UP)
            trips.reset()
            await run(system, _COUNTED)
        finally:
            await system.caller.close()
        found = {name: count / _COUNTED.asked for name, count in sorted(trips.counts.items())}
        hot = trips.on_the_hot_path / _COUNTED.asked
        await worker.process.stop()
    return found, hot
