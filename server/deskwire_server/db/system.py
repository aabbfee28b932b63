"""Postgres as the system role: only the content-free tables of runnable turns, workers and revoked tokens."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from deskwire_server.db import urls
from deskwire_server.db.engine import translated


class SystemDatabase:
    """A small pool for the housekeeping of one worker."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._lock = asyncio.Lock()

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run one statement in a transaction of its own. Raises `DatabaseUnavailable`."""
        async with translated():
            pool = await self._connected()
            rows: list[asyncpg.Record] = await pool.fetch(query, *arguments)
            return rows

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def _connected(self) -> asyncpg.Pool[asyncpg.Record]:
        async with self._lock:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    urls.for_asyncpg(self._url), min_size=1, max_size=2, timeout=3, command_timeout=5
                )
            return self._pool
