"""The whole measurement: every system under every load, round by round, then memory and round trips."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import clients, idle, processes, wire
from benchmarks.bench.goals import BARE, BARE_TWO, COMMON, DESKWIRE, DIRECT, FULL, STUBBED, TWO, WEB, Measured, Runs
from benchmarks.bench.load import Load, Sample, System, run
from benchmarks.bench.processes import Cores, Place, Process
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

    def chosen(self, names: Sequence[str]) -> Sequence[Load]:
        """The loads of these names, as far as they are measured."""
        return [load for load in self.loads if load.name in names]


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
_STORAGE = (f"{PACED}, 20", f"{UNPACED}, 50")
_SCALING = (f"{PACED}, 50", f"{UNPACED}, 50")
_FULL = (f"{PACED}, 1", f"{PACED}, 20", f"{UNPACED}, 50")


async def measure(plan: Plan, folder: Path, say: Callable[[str], None]) -> Measured:
    """Measure all of it. `say` hears how far it is.

    In parts, each with the servers alone that it compares: another worker on the core, though idle, has leases to renew
    and caches to fill.
    """
    cores = Cores.of_this_machine()
    os.sched_setaffinity(0, cores.others)
    async with staged(folder, cores) as stage:
        say("servers are starting")
        worker = await stage.start_worker("deskwire")
        start_bytes = await idle.settled(worker.process)
        async with AsyncExitStack() as stack:
            main = await _rounds(plan, plan.loads, await _main(stage, stack, worker), say)
        async with AsyncExitStack() as stack:
            say("storage")
            storage = await _rounds(plan, plan.chosen(_STORAGE), await _storage(stage, stack, worker), say)
        async with AsyncExitStack() as stack:
            say("two workers")
            scaling = await _rounds(plan, plan.chosen(_SCALING), await _scaling(stage, stack, worker), say)
        await worker.process.stop()
        async with AsyncExitStack() as stack:
            say("the full profile")
            full = await _rounds(plan, plan.chosen(_FULL), await _full(stage, stack), say)
        say("round trips to Postgres")
        trips, hot = await _round_trips(stage)
        say(f"{plan.streams} idle streams")
        watched = await idle.measure(await stage.start_worker("deskwire-idle"), stage.settings, plan.streams)
    return Measured(main, storage, scaling, full, plan.loads, start_bytes, watched, trips, hot)


async def _main(stage: Stage, stack: AsyncExitStack, worker: Worker) -> list[System]:
    address, bare = await _pass_through(stage, stack, "bare")
    service = processes.module("benchmarks.bench.sse_service", stage.provider)
    common = await stage.run("common", service, place=Place.MEASURED)
    stack.push_async_callback(common.stop)
    envoy, web_url = await stage.start_envoy(worker)
    stack.push_async_callback(envoy.stop)
    return _closed_by(
        stack,
        _direct(stage),
        System(BARE, clients.PassThroughCaller([address]), (bare,)),
        System(COMMON, clients.SseCaller(stage.settings, await common.line()), (common,)),
        _deskwire(stage, worker),
        System(WEB, clients.GrpcWebCaller(stage.settings, web_url), (worker.process,), (envoy,)),
    )


async def _storage(stage: Stage, stack: AsyncExitStack, worker: Worker) -> list[System]:
    stubbed = await stage.start_worker("stubbed", program=STUBBED_PROGRAM)
    stack.push_async_callback(stubbed.process.stop)
    return _closed_by(stack, _deskwire(stage, worker), _deskwire(stage, stubbed, name=STUBBED))


async def _scaling(stage: Stage, stack: AsyncExitStack, worker: Worker) -> list[System]:
    """Pass-throughs as well: what it costs any two processes to share a core, where there are but two."""
    one, bare = await _pass_through(stage, stack, "bare")
    other, second_bare = await _pass_through(stage, stack, "bare-2", Place.SECOND)
    second = await stage.start_worker("deskwire-2", place=Place.SECOND)
    stack.push_async_callback(second.process.stop)
    return _closed_by(
        stack,
        _deskwire(stage, worker),
        _deskwire(stage, worker, second, name=TWO),
        System(BARE, clients.PassThroughCaller([one]), (bare,)),
        System(BARE_TWO, clients.PassThroughCaller([one, other]), (bare, second_bare)),
    )


async def _full(stage: Stage, stack: AsyncExitStack) -> list[System]:
    worker = await stage.start_full_worker("full")
    stack.push_async_callback(worker.process.stop)
    caller = clients.GrpcCaller(stage.settings, [worker.address], demo.TENANT)
    return _closed_by(stack, _direct(stage), System(FULL, caller, (worker.process,)))


def _direct(stage: Stage) -> System:
    return System(DIRECT, clients.DirectCaller(stage.provider))


def _deskwire(stage: Stage, *workers: Worker, name: str = DESKWIRE) -> System:
    caller = clients.GrpcCaller(stage.settings, [worker.address for worker in workers])
    return System(name, caller, tuple(worker.process for worker in workers))


async def _pass_through(
    stage: Stage, stack: AsyncExitStack, name: str, place: Place = Place.MEASURED
) -> tuple[str, Process]:
    process = await stage.run(name, processes.module("benchmarks.bench.passthrough", stage.provider), place=place)
    stack.push_async_callback(process.stop)
    return await process.line(), process


def _closed_by(stack: AsyncExitStack, *systems: System) -> list[System]:
    for system in systems:
        stack.push_async_callback(system.caller.close)
    return list(systems)


async def _rounds(plan: Plan, loads: Sequence[Load], systems: Sequence[System], say: Callable[[str], None]) -> Runs:
    samples: defaultdict[tuple[str, str], list[Sample]] = defaultdict(list)
    for system in systems:
        await run(system, _WARM_UP)
    for process in {process.pid: process for system in systems for process in system.servers}.values():
        # What the first questions set going is not the next ones' cost.
        await process.at_rest()
    for number in range(plan.rounds):
        say(f"round {number + 1} of {plan.rounds}")
        for load in loads:
            # Each round begins with another system, so that none always follows the same one.
            turned = [*systems[number % len(systems) :], *systems[: number % len(systems)]]
            for system in turned:
                samples[system.name, load.name].append(await run(system, load))
    return Runs(dict(samples))


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
