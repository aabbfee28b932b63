"""A task that heeds no cancellation, as source for programs that tests start."""

from __future__ import annotations

DEAF = """
import asyncio

async def deaf():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue
"""
