"""Tells other workers over Redis that a conversation has news. Carries ids only; what happened stands in Postgres."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from deskwire_server.turns.hub import Hub, Wake

_log = structlog.get_logger(__name__)
_CHANNEL = "deskwire:news"
_BACKLOG = 10_000
_RETRY = 1.0


class Relay:
    """Publishes and hears wake-ups. With Redis away nothing is lost: streams then poll, only slower."""

    def __init__(self, redis: Redis | None, hub: Hub, worker_id: UUID) -> None:
        self._redis = redis
        self._hub = hub
        self._worker = worker_id.hex
        self._outbox: asyncio.Queue[UUID] = asyncio.Queue(_BACKLOG)

    def announce(self, tenant_id: UUID, conversation_id: UUID) -> None:
        """Say that something was committed in a conversation. Never blocks; a full backlog drops the wake-up."""
        if self._redis is not None and not self._outbox.full():
            self._outbox.put_nowait(conversation_id)

    async def run(self) -> None:
        """Publish and hear for ever."""
        if self._redis is not None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish(self._redis))
                tasks.create_task(self._hear(self._redis))

    async def _publish(self, redis: Redis) -> None:
        while True:
            first = await self._outbox.get()
            ids = {first}
            while not self._outbox.empty():
                ids.add(self._outbox.get_nowait())
            try:
                await redis.publish(_CHANNEL, self._worker + "".join(each.hex for each in ids))
            except (RedisError, OSError) as error:
                _log.warning("news_not_published", error=str(error))
                await asyncio.sleep(_RETRY)

    async def _hear(self, redis: Redis) -> None:
        while True:
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(_CHANNEL)
                    async for message in channel.listen():
                        self._wake(message["data"])
            except (RedisError, OSError) as error:
                _log.warning("news_not_heard", error=str(error))
                await asyncio.sleep(_RETRY)

    def _wake(self, data: bytes | str) -> None:
        text = data.decode() if isinstance(data, bytes) else data
        if text.startswith(self._worker):
            return
        for start in range(32, len(text), 32):
            self._hub.publish(UUID(text[start : start + 32]), Wake())
