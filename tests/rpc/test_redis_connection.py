"""A connection to Redis that was cut."""

from __future__ import annotations

from pathlib import Path

import pytest
import uvloop
from redis.exceptions import RedisError

from deskwire_server import redis_connection
from tests.support.redis import running_redis


def test_a_cut_connection_is_a_fault_of_redis_on_uvloop_too(tmp_path: Path) -> None:
    async def cut_and_go_on() -> None:
        async with running_redis(tmp_path) as server:
            client = redis_connection.connect(server.url)
            await client.set("key", "value")
            connection = await client.connection_pool.get_connection()
            connection._writer.transport.abort()
            await client.connection_pool.release(connection)
            with pytest.raises(RedisError):
                await client.get("key")
            assert await client.get("key") == b"value"
            await client.aclose()

    uvloop.run(cut_and_go_on())
