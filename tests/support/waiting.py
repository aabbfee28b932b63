"""Waits for what a server does right after its caller has the answer, such as counting the call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")


async def until(condition: Callable[[], object]) -> None:
    """Return once `condition` holds. Raises TimeoutError after five seconds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def eventually(look: Callable[[], Awaitable[Found | None]], *, seconds: float = 15) -> Found:
    """What `look` finds, once it finds something. Raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            found = await look()
            if found is not None:
                return found
            await asyncio.sleep(0.02)
