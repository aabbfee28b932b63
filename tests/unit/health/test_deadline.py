"""A worker that was asked to end has ended in time, whatever keeps it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from deskwire_server import deadline
from tests.support.deaf import DEAF

_PRELUDE = f"""
import time, uvloop
from deskwire_server.deadline import Deadline
{DEAF}
"""
_KEPT = {
    "a task that heeds no cancellation": """
async def main():
    Deadline().set(0.5)
    asyncio.create_task(deaf(), name="the-deaf-one")
    await asyncio.sleep(0.1)
""",
    "a thread that never ends": """
async def main():
    Deadline().set(0.5)
    asyncio.create_task(asyncio.to_thread(time.sleep, 60), name="the-deaf-one")
    await asyncio.sleep(0.1)
""",
    "an event loop that stands still": """
async def main():
    Deadline().set(0.5)
    asyncio.create_task(deaf(), name="the-deaf-one")
    await asyncio.sleep(0.1)
    time.sleep(60)
""",
}


@pytest.mark.parametrize("program", [pytest.param(program, id=name) for name, program in _KEPT.items()])
def test_it_ends_and_says_what_kept_it(program: str) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", f"{_PRELUDE}{program}\nuvloop.run(main())\n"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert time.monotonic() - began < 15
    assert "worker_did_not_end" in done.stdout + done.stderr
    assert "Thread 0x" in done.stderr


def test_who_ends_in_time_is_left_alone() -> None:
    program = f"{_PRELUDE}\nasync def main():\n    Deadline().set(20)\n    return 0\nuvloop.run(main())\n"
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0
    assert time.monotonic() - began < 15


async def test_the_place_where_a_task_waits_is_told_to_its_depth() -> None:
    async def inner() -> None:
        await asyncio.sleep(60)

    async def outer() -> None:
        await inner()

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    assert [place.rpartition(" ")[2] for place in deadline.where(task)] == ["outer", "inner", "sleep"]
    task.cancel()
