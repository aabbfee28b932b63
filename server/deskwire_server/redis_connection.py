"""The connection to Redis, made so that every fault on its way is one of Redis, which callers forgive."""

from __future__ import annotations

from collections.abc import Iterable

from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError


def connect(url: str) -> Redis:
    """A client that gives up soon: what it is used for goes on without it. Connects to nothing yet."""
    pool: ConnectionPool = ConnectionPool.from_url(
        url, socket_connect_timeout=1.0, socket_timeout=0.5, retry=Retry(NoBackoff(), 0), health_check_interval=10
    )
    pool.connection_class = _MENDED[pool.connection_class]
    return Redis.from_pool(pool)


class _Mended(AbstractConnection):
    """Knows uvloop, which says with a `RuntimeError` that the other side has closed."""

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Send. Raises errors of Redis alone."""
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            raise RedisConnectionError(f"the connection is closed: {error}") from error


class _MendedTcp(_Mended, Connection):
    pass


class _MendedTls(_Mended, SSLConnection):
    pass


class _MendedUnix(_Mended, UnixDomainSocketConnection):
    pass


_MENDED: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _MendedTcp,
    SSLConnection: _MendedTls,
    UnixDomainSocketConnection: _MendedUnix,
}
