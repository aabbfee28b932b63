"""Background tasks end when the worker does."""

from __future__ import annotations

import asyncio

import pytest

from deskwire_server import monitor


async def deaf(times: int) -> None:
    """A loop in which cancellations are lost, as they are when they come while a driver's call returns."""
    lost = 0
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            lost += 1
            if lost > times:
                raise


async def test_a_cancellation_that_was_lost_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_HEED", 0.01)
    tasks = [asyncio.create_task(deaf(times)) for times in (0, 1, 3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await monitor.end(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_a_task_that_never_ends_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_HEED", 0.01)
    task = asyncio.create_task(deaf(10))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await monitor.end([task])
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_tasks_that_have_ended_are_left_alone() -> None:
    async def broken() -> None:
        raise ValueError("broken")

    task = asyncio.create_task(broken())
    await asyncio.wait([task])
    await monitor.end([task])
    assert isinstance(task.exception(), ValueError)
