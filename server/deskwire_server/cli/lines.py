"""Reads lines from a person or a pipe without stopping the event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self


class LineReader:
    """Lines of standard input, each asked for when it is wanted. Use it in `with`: it gives the terminal back.

    The reading thread is a daemon, since nothing can wake it from a terminal when the program wants to end.
    """

    def __init__(self, prompt: str) -> None:
        self.interactive = sys.stdin.isatty()
        """Whether a person types."""
        self._prompt = prompt if self.interactive else ""
        self._wanted = threading.Semaphore(0)
        self._terminal: list[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()

    def __enter__(self) -> Self:
        if self.interactive:
            import readline  # noqa: F401 - its import gives `input` editing and history
            import termios

            self._terminal = termios.tcgetattr(sys.stdin.fileno())
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, name="deskwire-lines", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal is not None:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._terminal)

    async def next(self) -> str | None:
        """The next line without its end, None at the end of the input."""
        self._wanted.release()
        return await self._lines.get()

    def _read(self) -> None:
        while True:
            self._wanted.acquire()
            try:
                line: str | None = input(self._prompt) if self.interactive else sys.stdin.readline() or None
            except (EOFError, OSError, ValueError):
                line = None
            self._hand_over(line if line is None else line.rstrip("\r\n"))
            if line is None:
                return

    def _hand_over(self, line: str | None) -> None:
        # The loop is closed when the program ended while this thread was reading.
        with suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
