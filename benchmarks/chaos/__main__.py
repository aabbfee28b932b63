"""Runs faults of a seed against a whole system and tells whether anything was lost, duplicated or mixed.

`make chaos SEED=1 KILLS=60 TURNS=6000`; `--help` lists the rest. Exit code 1 when something is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import uvloop

from benchmarks.chaos import database, journal
from benchmarks.chaos.injector import Injector
from benchmarks.chaos.parts import Parts
from benchmarks.chaos.pulse import Control, watch_loop
from benchmarks.chaos.reconcile import provider_calls, reconcile
from benchmarks.chaos.report import Report
from benchmarks.chaos.resumes import resumes
from benchmarks.chaos.schedule import PROFILES, Fault
from deskwire_server.auth import tokens
from deskwire_server.auth.caller import Role
from deskwire_server.settings import Settings
from deskwire_server.stack.launch import Command

_TURNS_A_KILL = 100
_TENANTS = 2
_STALLED = 300.0
"""Seconds without the end of a turn after which a run is given up."""
_SETTLING = 60.0
"""Seconds that turns get to end after the last question."""


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=30, help="kills of the schedule; other faults come on top")
    parser.add_argument("--turns", type=int, help=f"at least so many turns; {_TURNS_A_KILL} a kill by default")
    parser.add_argument("--profile", choices=PROFILES, default="mixed",
                        help="which faults: all kinds, or only restarts in good order, kills of replicas, frozen "
                        "replicas, kills of Envoy")  # fmt: skip
    parser.add_argument("--users", type=int, default=24, help="users who talk at the same time")
    parser.add_argument("--processes", type=int, default=1, help="processes of clients")
    parser.add_argument("--think", type=float, default=0.4, help="seconds between two questions of a user, on average")
    parser.add_argument("--folder", type=Path, help="where data and journals go; kept afterwards")
    parser.add_argument("--report", type=Path, help="page to write the report into, between its marks")
    parser.add_argument("--schedule", action="store_true", help="print the faults and end")
    return parser.parse_args(given)


class Run:
    """One run."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._faults: list[Fault] = PROFILES[options.profile](options.seed, options.kills)
        self._turns: int = options.turns or _TURNS_A_KILL * options.kills
        self._parts = Parts(folder / "data", lambda text: _say(f"   {text.partition(' (log')[0]}"))
        self._injector = Injector(self._parts, _say)
        self._ended: dict[int, int] = {}
        self._moved = asyncio.Event()
        self._pulse = folder / "pulse.jsonl"
        self._lags: list[tuple[float, float]] = []

    async def carry_out(self) -> Report:
        """Start everything, let clients talk while faults happen, reconcile."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._parts.stop)
            await self._parts.start()
            began = time.monotonic()
            await self._start_pulse(stack)
            clients = [await self._start_clients(number) for number in range(self._options.processes)]
            counting = [asyncio.create_task(self._count(number, each)) for number, each in enumerate(clients)]
            try:
                await self._all_faults(clients)
                await self._until_turns(self._turns, clients)
            finally:
                for each in clients:
                    if each.stdin is not None:
                        each.stdin.close()
            async with asyncio.timeout(_STALLED):
                codes = [await each.wait() for each in clients]
            await asyncio.gather(*counting)
            if any(codes):
                raise RuntimeError(f"clients ended with {codes}")
            await database.until_ended(self._parts.database_url, _SETTLING)
            seconds = time.monotonic() - began
            stored = await database.load(self._parts.database_url)
        (self._folder / "faults.json").write_bytes(orjson.dumps([done.as_json() for done in self._injector.done]))
        findings = reconcile(
            stored, journal.read(self._folder), provider_calls(self._parts.provider_log), self._parts.outgoing.calls
        )
        findings.stuck += self._injector.stuck
        found = resumes(journal.read(self._folder), self._injector.done)
        lags = [(line["t"], line["late"]) for line in journal.read(self._folder) if line["k"] == "lag"]
        control = Control.read(self._pulse, [*self._lags, *lags])
        return Report(_command(self._options), seconds, self._injector.done, findings, found, control)

    async def _start_pulse(self, stack: AsyncExitStack) -> None:
        """Measure the machine, and the loop of the links, until `stack` is left."""
        argv = [sys.executable, "-m", "benchmarks.chaos.pulse", str(self._pulse)]
        command = Command(argv=argv, death_signal=signal.SIGKILL)
        stack.callback((await asyncio.create_subprocess_exec(*command.guarded_argv())).kill)
        lags = asyncio.create_task(watch_loop(lambda lag: self._lags.append((time.monotonic(), lag))))
        stack.callback(lags.cancel)

    async def _all_faults(self, clients: list[asyncio.subprocess.Process]) -> None:
        """Faults are spread evenly over the turns, so that all of them happen under load."""
        for number, fault in enumerate(self._faults, 1):
            await self._until_turns(self._turns * number // (len(self._faults) + 1), clients)
            await self._injector.carry_out(fault)

    async def _until_turns(self, wanted: int, clients: list[asyncio.subprocess.Process]) -> None:
        while sum(self._ended.values()) < wanted:
            if any(each.returncode is not None for each in clients):
                raise RuntimeError("the clients ended too soon")
            self._moved.clear()
            async with asyncio.timeout(_STALLED):
                await self._moved.wait()

    async def _start_clients(self, number: int) -> asyncio.subprocess.Process:
        options = self._options
        each = options.users // (options.processes * _TENANTS) or 1
        first = 1 + number * each
        given = {
            "addresses": self._parts.client_addresses,
            "journal": str(self._folder / f"clients-{number}.jsonl"),
            "seed": options.seed,
            "tokens": [[_token(tenant, first + user) for user in range(each)] for tenant in range(_TENANTS)],
            "first_user": first,
            "think": options.think,
        }
        argv = [sys.executable, "-m", "benchmarks.chaos.clients", orjson.dumps(given).decode()]
        return await asyncio.create_subprocess_exec(
            *Command(argv=argv, death_signal=signal.SIGKILL).guarded_argv(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def _count(self, number: int, clients: asyncio.subprocess.Process) -> None:
        if clients.stdout is not None:
            async for line in clients.stdout:
                self._ended[number] = int(line)
                self._moved.set()
        self._moved.set()


def _token(tenant: int, user: int) -> str:
    settings = Settings(_env_file=None)
    return tokens.mint(settings, tenant=f"chaos-{tenant}", user=f"user-{user}", role=Role.USER)


def _command(options: argparse.Namespace) -> str:
    turns = options.turns or _TURNS_A_KILL * options.kills
    return f"make chaos SEED={options.seed} KILLS={options.kills} TURNS={turns}" + (
        f" PROFILE={options.profile}" if options.profile != "mixed" else ""
    )


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Run. Returns the exit code."""
    options = arguments()
    if options.schedule:
        for number, fault in enumerate(PROFILES[options.profile](options.seed, options.kills), 1):
            _say(f"{number}: {fault}")
        return 0
    # Settings of the developer's shell would reach the replicas' tokens.
    for name in ("JWT_SECRET", "SECRET_KEY"):
        os.environ.pop(name, None)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="deskwire-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    report = uvloop.run(Run(options, folder).carry_out())
    if options.folder is not None or not report.findings.clean:
        _say(f"journals, logs and data: {folder}")
    for line in report.lines():
        _say(line)
    if options.report is not None:
        report.write(options.report)
    if options.folder is None and report.findings.clean:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if report.findings.clean else 1


if __name__ == "__main__":
    sys.exit(main())
