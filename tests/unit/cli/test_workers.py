"""Workers under one parent are asked to end, and then made to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deskwire_server.cli import workers
from deskwire_server.stack.launch import Command

_DEAF = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""


async def test_one_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"

    def deaf(*, argv: Any, environment: Any) -> Command:
        return Command(argv=[sys.executable, "-c", _DEAF, str(there)], environment=environment)

    monkeypatch.setattr(workers, "Command", deaf)
    running = asyncio.create_task(workers.run_workers([(1, 2)], patience=0.3))
    async with asyncio.timeout(20):
        while not there.exists():
            await asyncio.sleep(0.01)
    began = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(20):
        assert await running == 0
    assert time.monotonic() - began < 10
    assert "did not end, killing it" in capsys.readouterr().err
