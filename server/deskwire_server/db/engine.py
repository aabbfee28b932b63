"""Connections to Postgres: short transactions of one tenant for most rooms, bare asyncpg for the hot path."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from deskwire_server.db import urls
from deskwire_server.db.door import Door
from deskwire_server.errors import Unavailable

_log = structlog.get_logger(__name__)

TENANT_SETTING = "deskwire.tenant_id"
"""Setting that the policies of row-level security read. Set inside each transaction, gone with it."""

_SET_TENANT = text(f"SELECT set_config('{TENANT_SETTING}', :tenant, true)")
_CONNECT = 3.0
_KEPT_OPEN = 4
"""Connections of the hot path that are opened at once, so that no user's statement waits for one."""
_STILL_THERE = 2.0
"""Seconds between looks whether a connection that only listens is still there."""
_SESSION = {"idle_in_transaction_session_timeout": "5s"}
"""A worker that stands still in the middle of a transaction keeps others from its rows no longer than this."""
STOPPED = (asyncio.CancelledError, TimeoutError)
"""What ends a statement before Postgres has answered it."""
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


class _HotConnection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """A connection of the hot path, whose statements leave nothing in the session: settings end with a transaction."""

    def get_reset_query(self) -> str:
        """None: what a release of the pool would ask Postgres for is a round trip for each statement."""
        return ""


class Database:
    """Postgres as the application role, one pool for SQLAlchemy Core and one for statements of the hot path."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self._url = urls.for_asyncpg(url)
        self._door = Door(is_unreachable)
        self._pool_size = pool_size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._pool_lock = asyncio.Lock()
        self._at_hand: list[Any] = []
        """Connections of the pool that rest here: giving one back to the pool costs a task and a timer."""
        self._waiting = 0
        self._rehearsals: list[Callable[[Any], Awaitable[None]]] = []
        self.engine: AsyncEngine = create_async_engine(
            urls.parse(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=False,
            json_serializer=_json,
            json_deserializer=orjson.loads,
            async_creator=lambda: self._door.connect(
                self._url, timeout=5, command_timeout=10, server_settings=_SESSION
            ),
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
            async with self._hot() as connection:
                row: asyncpg.Record | None = await connection.fetchrow(query, *arguments)
            return row

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run one statement of the hot path in a transaction of its own and return its rows."""
        async with translated():
            async with self._hot() as connection:
                rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows

    @asynccontextmanager
    async def reading(self, tenant_id: UUID, settings: str = "") -> AsyncIterator[Any]:
        """A bare asyncpg connection in a transaction that reads the rows of `tenant_id`, for searches.

        `settings` are statements of our own (`SET LOCAL …;`) that hold for the transaction.
        """
        async with translated(), self._hot() as connection:
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
        if self._pool is not None:
            self._at_hand.clear()
            self._pool.terminate()
            self._pool = None
        # Says goodbye to Postgres, and would wait for a frozen one to take note.
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self.engine.dispose()

    def rehearse(self, rehearsal: Callable[[Any], Awaitable[None]]) -> None:
        """Have `rehearsal` run on each connection of the hot path before its first use; set before the first statement.

        It prepares the statements that come often. One that Postgres refuses is left: the statement itself will tell.
        """
        self._rehearsals.append(rehearsal)

    async def _make_ready(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        await _use_orjson(connection)
        for rehearsal in self._rehearsals:
            try:
                await rehearsal(connection)
            except asyncpg.PostgresError as error:
                _log.info("statements could not be prepared ahead", error=str(error))

    def _hot(self) -> _Lent:
        return _Lent(self)

    async def take(self) -> Any:
        """A connection of the hot path, to be given to `give_back`."""
        if self._pool is None:
            await self._hot_pool()
        while self._at_hand:
            connection = self._at_hand.pop()
            if _is_open(connection):
                return connection
        self._waiting += 1
        try:
            return await (await self._hot_pool()).acquire()
        finally:
            self._waiting -= 1

    async def give_back(self, connection: Any, *, sound: bool) -> None:
        """Keep a connection at hand. Those who wait, and what may have been left in it, are the pool's business."""
        if sound and not self._waiting and self._pool is not None and _is_open(connection):
            self._at_hand.append(connection)
        elif self._pool is not None:
            await self._pool.release(connection)

    async def _hot_pool(self) -> asyncpg.Pool[asyncpg.Record]:
        if self._pool is None:
            async with self._pool_lock:
                if self._pool is None:
                    pool = await asyncpg.create_pool(
                        self._url,
                        # None that the pool would renew by itself, and past the door.
                        min_size=0,
                        max_size=self._pool_size,
                        connect=self._door.connect,
                        timeout=5,
                        command_timeout=10,
                        server_settings=_SESSION,
                        init=self._make_ready,
                        connection_class=_HotConnection,
                        # A connection that is opened anew, or a statement prepared anew, is waited for by a user.
                        max_inactive_connection_lifetime=0,
                        max_cached_statement_lifetime=0,
                    )
                    try:
                        self._at_hand += await self._opened(pool)
                    except asyncio.CancelledError:
                        pool.terminate()
                        raise
                    self._pool = pool
        return self._pool

    async def _opened(self, pool: asyncpg.Pool[asyncpg.Record]) -> list[Any]:
        """A few connections, as far as Postgres lets them in: whoever needs one is told why not."""
        opening = (pool.acquire() for _ in range(min(_KEPT_OPEN, self._pool_size)))
        made = await asyncio.gather(*opening, return_exceptions=True)
        return [connection for connection in made if not isinstance(connection, BaseException)]


class _Lent:
    """A connection of the hot path for the length of a block. Written by hand: each statement passes through it."""

    __slots__ = ("_connection", "_database")

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Any:
        self._connection = await self._database.take()
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, STOPPED):
            drop(self._connection)
        await self._database.give_back(self._connection, sound=kind is None)


def drop(connection: Any) -> None:
    """Close a connection at once whose statement was stopped.

    The driver would ask Postgres to stop as well, and wait for its word: of one that is frozen, for ever.
    """
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


def _is_open(connection: Any) -> bool:
    """Whether a connection can be used. One that was lost is the pool's again, whoever had it."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False


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


def _json(value: Any) -> str:
    # Ids that came from the driver are of a UUID class of its own, which orjson knows only by its text.
    return orjson.dumps(value, default=str).decode()


def _drop_broken(context: Any) -> None:
    """A connection in a state that its driver can't name is not given back to the pool."""
    if isinstance(context.original_exception, asyncpg.InternalClientError):
        context.is_disconnect = True


async def _use_orjson(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind,
            schema="pg_catalog",
            format="text",
            encoder=lambda value: value if isinstance(value, str) else _json(value),
            decoder=orjson.loads if kind == "jsonb" else json.loads,
        )
