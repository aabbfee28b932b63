"""Children that are watched, restarted and stopped."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from deskwire_server.stack.child import Child, bound_log, describe_exit
from deskwire_server.stack.errors import StackError
from deskwire_server.stack.launch import Command


def _child(tmp_path: Path, code: str) -> Child:
    return Child("The part", lambda: Command(argv=[sys.executable, "-c", code]), tmp_path / "part.log")


async def _never() -> None:
    await asyncio.Event().wait()


async def test_a_child_that_fails_at_the_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    child = _child(tmp_path, "import sys; print('no such luck'); sys.exit(3)")
    await child.start()
    with pytest.raises(StackError, match=r"The part ended with code 3 while starting[\s\S]*no such luck"):
        await child.until_ready(_never())


async def test_a_child_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    child = _child(tmp_path, "import time; time.sleep(600)")

    async def impatient() -> None:
        raise TimeoutError

    await child.start()
    with pytest.raises(StackError, match="did not become ready in time"):
        await child.until_ready(impatient())
    await child.stop(5)
    assert child.pid is None


async def test_a_dead_child_is_started_again_until_it_is_stopped(tmp_path: Path) -> None:
    child = _child(tmp_path, "import time; time.sleep(600)")
    reports: list[str] = []
    again = asyncio.Event()
    await child.start()
    first = child.pid
    keeper = asyncio.create_task(child.keep_alive(reports.append, again.set))
    child.send(signal.SIGKILL)
    await asyncio.wait_for(again.wait(), 10)
    assert child.pid not in (None, first)
    assert "The part was killed by SIGKILL, starting it again" in reports[0]
    await child.stop(5)
    await asyncio.wait_for(keeper, 5)


async def test_a_child_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    child = _child(tmp_path, code)
    await child.start()
    async with asyncio.timeout(10):
        while "up" not in child.log.read_text():
            await asyncio.sleep(0.02)
    await child.stop(0.1)
    assert await child.wait() == -signal.SIGKILL


def test_a_log_that_outgrows_its_limit_is_moved(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with log.open("a") as writer:
        writer.write("x" * 100)
        writer.flush()
        bound_log(log, 1000)
        assert log.stat().st_size == 100
        bound_log(log, 50)
        assert (log.stat().st_size, (tmp_path / "a.log.1").stat().st_size) == (0, 100)
        writer.write("more")
    assert log.read_text() == "more"
    bound_log(tmp_path / "none.log", 1)


def test_exits_are_put_in_words() -> None:
    assert describe_exit(2) == "ended with code 2"
    assert describe_exit(-9) == "was killed by SIGKILL"
