"""Connections of the hot path: kept open, made ready before their first use, and handed from one who waits to the next.

asyncpg's own pool makes them and takes the lost ones back; giving one back to it costs a task and a timer, so that it
is done only where a connection can't be used any more.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import orjson
import structlog

from deskwire_server.db.door import Door

_log = structlog.get_logger(__name__)
SESSION = {"idle_in_transaction_session_timeout": "5s"}
"""A worker that stands still in the middle of a transaction keeps others from its rows no longer than this."""
STOPPED = (asyncio.CancelledError, TimeoutError)
"""What ends a statement before Postgres has answered it."""
_FAREWELL = 1.0
_KEPT_OPEN = 4
"""Connections that are opened with the first one: a burst of questions finds them ready."""
_PATIENCE = 0.05
"""Seconds that somebody waits before more than those are opened."""

Rehearsal = Callable[[Any], Awaitable[None]]


class _HotConnection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """A connection of the hot path, whose statements leave nothing in the session: settings end with a transaction."""

    def get_reset_query(self) -> str:
        """None: what a release of the pool would ask Postgres for is a round trip for each statement."""
        return ""


class HotPool:
    """At most `size` connections; whoever finds none waits in line."""

    def __init__(self, url: str, door: Door, size: int) -> None:
        """`url` as asyncpg takes it. Nothing is opened before the first connection is taken."""
        self._url = url
        self._door = door
        self._size = size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self._at_hand: list[Any] = []
        self._out = 0
        """Connections that are lent or at hand."""
        self._line: deque[asyncio.Future[Any]] = deque()
        """Those who wait for a connection."""
        self._adding: set[asyncio.Task[None]] = set()
        self._rehearsals: list[Rehearsal] = []

    def rehearse(self, rehearsal: Rehearsal) -> None:
        """Have `rehearsal` run on each connection before its first use; set before the first one is taken."""
        self._rehearsals.append(rehearsal)

    def lend(self) -> Lent:
        """A connection for the length of an `async with` block. Entering raises what connecting raises."""
        return Lent(self)

    async def take(self) -> Any:
        """A connection, to be given to `give_back`."""
        if self._pool is None:
            await self._open()
        while True:
            while self._at_hand:
                connection = self._at_hand.pop()
                if _is_open(connection):
                    return connection
                # The pool has noticed by itself.
                self._out -= 1
            # It may have been lost on its way.
            self._at_hand.append(await self._next_in_line())

    async def give_back(self, connection: Any, *, sound: bool) -> None:
        """Hand a connection to the next in line, or keep it at hand. The pool gets those that can't be used again."""
        if self._pool is None:
            return
        if sound and _is_open(connection):
            self._hand_on(connection)
            return
        self._out -= 1
        self._add()
        await self._pool.release(connection)

    async def close(self) -> None:
        """Close every connection at once, those in use too."""
        if self._pool is not None:
            self._at_hand.clear()
            self._pool.terminate()
            self._pool = None
        while self._line:
            self._fail_first(asyncpg.InterfaceError("the pool is closed"))
        for task in self._adding:
            task.cancel()
        if self._adding:
            await asyncio.wait(tuple(self._adding), timeout=_FAREWELL)

    def _add(self) -> None:
        """Open one more connection where somebody waits and there is room."""
        if self._line and self._out < self._size and self._pool is not None:
            self._out += 1
            task = asyncio.create_task(self._one_more(self._pool), name="hot-connection")
            self._adding.add(task)
            task.add_done_callback(self._adding.discard)

    async def _one_more(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        try:
            self._hand_on(await pool.acquire())
        except BaseException as error:
            self._out -= 1
            if not isinstance(error, Exception):
                raise
            self._fail_first(error)
            self._add()

    async def _next_in_line(self) -> Any:
        """One that is given back or a new one, whichever comes first."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Any] = loop.create_future()
        self._line.append(waiter)
        timer = None
        if self._out < _KEPT_OPEN:
            self._add()
        else:
            # To open one and to make it ready takes Postgres longer than the statements that wait.
            timer = loop.call_later(_PATIENCE, self._add)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # It came in the moment in which nobody waited for it any more.
                self._hand_on(waiter.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _hand_on(self, connection: Any) -> None:
        """Give a connection to the next in line."""
        waiter = self._first_in_line()
        if waiter is not None:
            waiter.set_result(connection)
        else:
            self._at_hand.append(connection)

    def _fail_first(self, error: Exception) -> None:
        """Tell the next in line why there is none."""
        waiter = self._first_in_line()
        if waiter is not None:
            waiter.set_exception(error)

    def _first_in_line(self) -> asyncio.Future[Any] | None:
        """Who waits longest, of those who have not gone meanwhile; no longer in the line."""
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                return waiter
        return None

    async def _open(self) -> None:
        async with self._opening:
            if self._pool is None:
                pool = await asyncpg.create_pool(
                    self._url,
                    # None that the pool would renew by itself, and past the door.
                    min_size=0,
                    max_size=self._size,
                    connect=self._door.connect,
                    timeout=5,
                    command_timeout=10,
                    server_settings=SESSION,
                    init=self._make_ready,
                    connection_class=_HotConnection,
                    # A connection that is opened anew, or a statement prepared anew, is waited for by a user.
                    max_inactive_connection_lifetime=0,
                    max_cached_statement_lifetime=0,
                )
                try:
                    opened = await self._first(pool)
                except asyncio.CancelledError:
                    pool.terminate()
                    raise
                self._at_hand += opened
                self._out = len(opened)
                self._pool = pool

    async def _first(self, pool: asyncpg.Pool[asyncpg.Record]) -> list[Any]:
        """A few connections, as far as Postgres lets them in: whoever needs one is told why not."""
        opening = (pool.acquire() for _ in range(min(_KEPT_OPEN, self._size)))
        made = await asyncio.gather(*opening, return_exceptions=True)
        return [connection for connection in made if not isinstance(connection, BaseException)]

    async def _make_ready(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        await _use_orjson(connection)
        for rehearsal in self._rehearsals:
            try:
                await rehearsal(connection)
            except asyncpg.PostgresError as error:
                # One that Postgres refuses is left: the statement itself will tell.
                _log.info("statements could not be prepared ahead", error=str(error))


class Lent:
    """A connection for the length of a block. Written by hand: each statement passes through it."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Any:
        self._connection = await self._pool.take()
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, STOPPED):
            drop(self._connection)
        await self._pool.give_back(self._connection, sound=kind is None)


def drop(connection: Any) -> None:
    """Close a connection at once whose statement was stopped.

    The driver would ask Postgres to stop as well, and wait for its word: of one that is frozen, for ever.
    """
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


def to_json(value: Any) -> str:
    """JSON as the database is given it."""
    # Ids that came from the driver are of a UUID class of its own, which orjson knows only by its text.
    return orjson.dumps(value, default=str).decode()


def _is_open(connection: Any) -> bool:
    """Whether a connection can be used. One that was lost is the pool's again, whoever had it."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False


async def _use_orjson(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind,
            schema="pg_catalog",
            format="text",
            encoder=lambda value: value if isinstance(value, str) else to_json(value),
            decoder=orjson.loads if kind == "jsonb" else json.loads,
        )
