"""Postgres as the system role: only the content-free tables of runnable turns, workers and revoked tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg

from deskwire_server.db import urls
from deskwire_server.db.door import Door
from deskwire_server.db.engine import DatabaseUnavailable, is_unreachable, translated
from deskwire_server.db.hot_pool import STOPPED, drop


class SystemDatabase:
    """A small pool for the housekeeping of one worker."""

    def __init__(self, url: str) -> None:
        self._url = urls.for_asyncpg(url)
        self._door = Door(is_unreachable)
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._lock = asyncio.Lock()

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run one statement in a transaction of its own. Raises `DatabaseUnavailable`."""
        async with translated():
            pool = await self._connected()
            connection = await pool.acquire()
            try:
                rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
                return rows
            except STOPPED:
                drop(connection)
                raise
            finally:
                await pool.release(connection)

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def _connected(self) -> asyncpg.Pool[asyncpg.Record]:
        async with self._lock:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url, min_size=0, max_size=2, connect=self._door.connect, timeout=3, command_timeout=5
                )
            return self._pool


class SystemLine:
    """One connection for what must not wait for anything else: a statement that takes too long costs the connection."""

    def __init__(self, url: str, *, patience: float) -> None:
        """`patience` in seconds, to connect and for each statement."""
        self._url = urls.for_asyncpg(url)
        self._door = Door(is_unreachable)
        self._patience = patience
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._lock = asyncio.Lock()

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run one statement in a transaction of its own. Raises `DatabaseUnavailable`."""
        async with self._lock:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._door.connect(self._url, timeout=self._patience)
                return await self._within_patience(self._connection.fetch(query, *arguments))
            except Exception as error:
                if is_unreachable(error):
                    await self.close()
                    raise DatabaseUnavailable from error
                raise

    async def _within_patience(self, statement: Coroutine[Any, Any, list[asyncpg.Record]]) -> list[asyncpg.Record]:
        # Not by a timeout: the driver asks the server to cancel first, and a frozen one does not answer that either.
        task = asyncio.ensure_future(statement)
        done, _ = await asyncio.wait({task}, timeout=self._patience)
        if not done:
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            raise TimeoutError
        return task.result()

    async def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
