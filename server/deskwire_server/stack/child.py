"""One child process of the launcher: started, watched, restarted with back-off, stopped, its log kept small."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from deskwire_server.stack.errors import StackError
from deskwire_server.stack.launch import Command

_FIRST_DELAY, _LONGEST_DELAY = 0.2, 2.0
_CALM_AFTER = 5.0
"""Seconds after which a child counts as healthy again, and its next restart comes quickly: one that can't run ends
sooner."""


class Child:
    """A program that shall run as long as the stack does."""

    def __init__(
        self, name: str, command: Callable[[], Command], log: Path, *, before_start: Callable[[], None] | None = None
    ) -> None:
        """`command` is asked anew for each start; `before_start` runs in a thread before it."""
        self.name = name
        self.log = log
        self._make_command = command
        self._before_start = before_start
        self._process: asyncio.subprocess.Process | None = None
        self._stop_signal = signal.SIGTERM
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it, in a session of its own so that Ctrl-C reaches the launcher alone."""
        if self._before_start is not None:
            await asyncio.to_thread(self._before_start)
        command = self._make_command()
        self._stop_signal = command.stop_signal
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command.guarded_argv(),
                env=dict(command.environment),
                cwd=command.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def wait(self) -> int:
        """Its exit code, once it ended."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return await self._process.wait()

    async def until_ready(self, ready: Awaitable[None]) -> None:
        """Wait for `ready`. Raises StackError with the end of the log when the child ends first or time runs out."""
        ended = asyncio.ensure_future(self.wait())
        probe = asyncio.ensure_future(ready)
        try:
            await asyncio.wait((ended, probe), return_when=asyncio.FIRST_COMPLETED)
            if not probe.done():
                raise StackError(f"{self.name} {describe_exit(ended.result())} while starting. {self.log_end()}")
            try:
                probe.result()
            except TimeoutError:
                raise StackError(f"{self.name} did not become ready in time. {self.log_end()}") from None
        finally:
            await _cancel(ended)
            await _cancel(probe)

    async def keep_alive(self, report: Callable[[str], None], started: Callable[[], None]) -> None:
        """Start it again whenever it ends, until `stop`: `report` gets a sentence, then `started` is called."""
        delay = _FIRST_DELAY
        while True:
            began = time.monotonic()
            code = await self.wait()
            if self._stopping:
                return
            if time.monotonic() - began > _CALM_AFTER:
                delay = _FIRST_DELAY
            report(f"{self.name} {describe_exit(code)}, starting it again (log: {self.log})")
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
            try:
                await self.start()
            except (OSError, StackError) as error:
                report(f"{self.name} cannot be started: {error}")
            started()

    async def stop(self, patience: float) -> None:
        """Ask it to end, and kill it when it has not after `patience` seconds."""
        self._stopping = True
        self.send(self._stop_signal)
        if self._process is None:
            return
        try:
            await asyncio.wait_for(self._process.wait(), patience)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it is gone."""
        if self.pid is not None and self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def log_end(self, lines: int = 12) -> str:
        """The last lines of its log, for a person to read."""
        try:
            text = self.log.read_text(errors="replace")[-8_000:]
        except OSError:
            return f"Its log is {self.log}."
        tail = "\n  ".join(text.rstrip().splitlines()[-lines:])
        return f"The end of {self.log}:\n  {tail}" if tail else f"Its log {self.log} is empty."


async def _cancel(task: asyncio.Future[object] | asyncio.Future[int] | asyncio.Future[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


def describe_exit(code: int) -> str:
    """An exit code of asyncio in words: `ended with code 1`, `was killed by SIGKILL`."""
    return f"ended with code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"


def bound_log(log: Path, limit: int) -> None:
    """Move a log that has outgrown `limit` bytes to `*.1` and empty it, under the hands of who writes it."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > limit:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
