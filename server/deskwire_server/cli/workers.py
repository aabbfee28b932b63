"""Runs several worker processes under one parent, each on ports of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from deskwire_server.stack.child import describe_exit
from deskwire_server.stack.launch import Command

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 10.0
_CALM_AFTER, _WELL_AFTER = 5.0, 30.0
"""Seconds after which the next restart of a worker comes quickly again: one that can't run ends sooner; and after which
it counts as well."""
_HOPELESS = 5
"""Workers that end at once, so often in a row and none ever well, are not started again: something is wrong for all."""


async def run_workers(ports: Sequence[tuple[int, int]], *, patience: float) -> int:
    """Run a worker for each pair of gRPC and HTTP port until SIGTERM; whichever ends is started again, on its ports.

    Returns 0 after a stop that was asked for, 1 when no worker can be kept running. Workers that have not ended
    `patience` seconds after they were asked to are killed.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    workers = [_Worker(number, grpc, http) for number, (grpc, http) in enumerate(ports, 1)]
    kept = [asyncio.create_task(worker.keep()) for worker in workers]
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({asked, *kept}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        await asyncio.gather(*(worker.stop() for worker in workers))
        _, left = await asyncio.wait(kept, timeout=patience)
        if left:
            for worker in workers:
                worker.kill()
            await asyncio.wait(left)
        for task in kept:
            task.result()
    return 0 if stop.is_set() else 1


class _Worker:
    """One place for a worker, filled anew whenever it becomes empty."""

    def __init__(self, number: int, grpc_port: int, http_port: int) -> None:
        self._name = f"worker {number} on port {grpc_port}"
        ports = {"DESKWIRE_WORKER_GRPC_PORT": str(grpc_port), "DESKWIRE_WORKER_HTTP_PORT": str(http_port)}
        self._environment: Mapping[str, str] = {**os.environ, **ports}
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def keep(self) -> None:
        """Start it again and again, later each time, until `stop` or until there is no point in it."""
        delay, failures = _FIRST_DELAY, 0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - began
            delay = _FIRST_DELAY if lived > _CALM_AFTER else delay
            failures = 0 if lived > _WELL_AFTER else failures
            failures += code > 0
            if failures >= _HOPELESS:
                print(f"deskwire: {self._name} {describe_exit(code)} again and again", file=sys.stderr)
                return
            print(f"deskwire: {self._name} {describe_exit(code)}, starting it again", file=sys.stderr)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    async def stop(self) -> None:
        """Ask it to drain."""
        self._stopping.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """End it at once, if it still runs."""
        if self._process is not None and self._process.returncode is None:
            print(f"deskwire: {self._name} did not end, killing it", file=sys.stderr)
            self._process.kill()

    async def _run(self) -> int:
        command = Command(argv=[sys.executable, "-m", "deskwire_server.worker"], environment=self._environment)
        # A session of their own: Ctrl-C reaches them once, from here.
        self._process = await asyncio.create_subprocess_exec(
            *command.guarded_argv(), env=dict(command.environment), start_new_session=True
        )
        if self._stopping.is_set():
            self._process.terminate()
        return await self._process.wait()
