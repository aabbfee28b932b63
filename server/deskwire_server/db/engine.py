"""Connections to Postgres: short transactions of one tenant for most rooms, bare asyncpg for the hot path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from deskwire_server.db import urls
from deskwire_server.db.door import Door
from deskwire_server.db.hot_pool import SESSION, STOPPED, HotPool, Rehearsal, to_json
from deskwire_server.errors import Unavailable

TENANT_SETTING = "deskwire.tenant_id"
"""Setting that the policies of row-level security read. Set inside each transaction, gone with it."""

_SET_TENANT = text(f"SELECT set_config('{TENANT_SETTING}', :tenant, true)")
_CONNECT = 3.0
_STILL_THERE = 2.0
"""Seconds between looks whether a connection that only listens is still there."""
_FAREWELL = 1.0
_UNREACHABLE = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)


class DatabaseUnavailable(Unavailable):
    """Postgres is away or refuses connections."""

    def __init__(self) -> None:
        super().__init__(
            "the database is not reachable right now", retry_after=1.0, metadata={"dependency": "postgres"}
        )


def is_unreachable(error: BaseException) -> bool:
    """Whether `error` means that Postgres is away, not that a statement was wrong."""
    if isinstance(error, DBAPIError):
        original = error.orig
        return bool(
            error.connection_invalidated
            or isinstance(error, OperationalError | InterfaceError)
            or (original is not None and isinstance(getattr(original, "__cause__", None), _UNREACHABLE))
        )
    return isinstance(error, _UNREACHABLE)


class translated:  # noqa: N801  # used as a function is
    """Turn errors of an absent database into `DatabaseUnavailable`; leave all others alone."""

    __slots__ = ()

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                # Nobody asked this task to end: the driver gave up inside, such as on a connection that took too long.
                raise DatabaseUnavailable from error
        elif isinstance(error, Exception) and is_unreachable(error):
            raise DatabaseUnavailable from error


class Database:
    """Postgres as the application role, one pool for SQLAlchemy Core and one for statements of the hot path."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self._url = urls.for_asyncpg(url)
        self._door = Door(is_unreachable)
        self._hot = HotPool(self._url, self._door, pool_size)
        self.engine: AsyncEngine = create_async_engine(
            urls.parse(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=False,
            json_serializer=to_json,
            json_deserializer=orjson.loads,
            async_creator=lambda: self._door.connect(self._url, timeout=5, command_timeout=10, server_settings=SESSION),
        )
        event.listen(self.engine.sync_engine, "handle_error", _drop_broken)

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID) -> AsyncIterator[AsyncConnection]:
        """One transaction that sees the rows of `tenant_id` only. Commits at the end, rolls back on an error."""
        async with translated(), self.engine.begin() as connection:
            await connection.execute(_SET_TENANT, {"tenant": str(tenant_id)})
            yield connection

    async def fetchrow(self, query: str, *arguments: Any) -> asyncpg.Record | None:
        """Run one statement of the hot path in a transaction of its own and return its first row."""
        async with translated():
            async with self._hot.lend() as connection:
                row: asyncpg.Record | None = await connection.fetchrow(query, *arguments)
            return row

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run one statement of the hot path in a transaction of its own and return its rows."""
        async with translated():
            async with self._hot.lend() as connection:
                rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows

    @asynccontextmanager
    async def reading(self, tenant_id: UUID, settings: str = "") -> AsyncIterator[Any]:
        """A bare asyncpg connection in a transaction that reads the rows of `tenant_id`, for searches.

        `settings` are statements of our own (`SET LOCAL …;`) that hold for the transaction.
        """
        async with translated(), self._hot.lend() as connection:
            # One round trip; the id is a UUID, so it needs no quoting.
            await connection.execute(f"BEGIN READ ONLY; SET LOCAL {TENANT_SETTING} = '{tenant_id}'; {settings}")
            try:
                yield connection
            except STOPPED:
                # The connection is dropped, and its transaction with it.
                raise
            except BaseException:
                await connection.execute("ROLLBACK")
                raise
            await connection.execute("ROLLBACK")

    async def listen(self, channel: str, heard: Callable[[str], None]) -> None:
        """Give every notification of a channel to `heard`, on a connection of its own, until that is lost.

        Raises `DatabaseUnavailable` then.
        """
        async with translated():
            connection = await self._door.connect(self._url, timeout=_CONNECT, command_timeout=_CONNECT)
            try:
                await connection.add_listener(channel, lambda *notice: heard(notice[-1]))
                while True:
                    await asyncio.sleep(_STILL_THERE)
                    await connection.fetchval("SELECT 1")
            finally:
                connection.terminate()

    async def close(self) -> None:
        """Close both pools, whether Postgres answers or not."""
        await self._hot.close()
        # Says goodbye to Postgres, and would wait for a frozen one to take note.
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self.engine.dispose()

    def rehearse(self, rehearsal: Rehearsal) -> None:
        """Have `rehearsal` run on each connection of the hot path before its first use; set before the first statement.

        It prepares the statements that come often.
        """
        self._hot.rehearse(rehearsal)


async def check_role(url: str) -> None:
    """Refuse a role that row-level security does not bind. Raises `RuntimeError` with a sentence for the operator."""
    connection = await asyncpg.connect(urls.for_asyncpg(url), timeout=5)
    try:
        row = await connection.fetchrow(
            "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
    finally:
        await connection.close()
    if row["rolsuper"] or row["rolbypassrls"]:
        power = "is a superuser" if row["rolsuper"] else "has BYPASSRLS"
        raise RuntimeError(
            f"refusing to serve: the database role {row['rolname']!r} of DATABASE_URL {power}, so row-level security "
            "would not keep tenants apart; give a plain role (and the owner in DATABASE_OWNER_URL for migrations)"
        )


def _drop_broken(context: Any) -> None:
    """A connection in a state that its driver can't name is not given back to the pool."""
    if isinstance(context.original_exception, asyncpg.InternalClientError):
        context.is_disconnect = True
