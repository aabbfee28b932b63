"""Runs several worker processes under one parent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress

from deskwire_server.stack.launch import Command

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def run_workers(count: int) -> int:
    """Run `count` workers until SIGTERM or until one of them ends. Returns 0 after a stop that was asked for.

    A worker that dies takes the others with it, in good order: whoever runs this program decides about a restart.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    command = Command(argv=[sys.executable, "-m", "deskwire_server.worker"], environment=dict(os.environ))
    # A session of their own: Ctrl-C reaches them once, from here.
    workers = [
        await asyncio.create_subprocess_exec(
            *command.guarded_argv(), env=dict(command.environment), start_new_session=True
        )
        for _ in range(count)
    ]
    endings = [asyncio.create_task(worker.wait()) for worker in workers]
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({asked, *endings}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        for worker in workers:
            with suppress(ProcessLookupError):
                worker.terminate()
        await asyncio.gather(*endings)
    return 0 if stop.is_set() else 1
