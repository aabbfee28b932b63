"""Carries what happens here to watchers on other workers: wake-ups by pub/sub, and the text so far in a key.

Wake-ups carry ids only. What happened stands in Postgres; the text of a running answer stands in Redis as it grows, so
that watchers elsewhere see it word by word. With Redis away nothing is lost: they then read its checkpoints.
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from deskwire_server.turns.hub import Hub, RunningAnswer, TextGrew, Wake

_log = structlog.get_logger(__name__)
_NEWS, _TEXT = "deskwire:news", "deskwire:text"
_BACKLOG = 10_000
_RETRY = 1.0
_TEXT_LIFETIME = 300
_ID_LENGTH = 32


class Relay:
    """Publishes and hears. Nothing here blocks a turn: a full backlog drops wake-ups, and watchers poll."""

    def __init__(self, redis: Redis | None, hub: Hub, worker_id: UUID) -> None:
        self._redis = redis
        self._hub = hub
        self._worker = worker_id.hex
        self._news: set[UUID] = set()
        self._texts: dict[tuple[UUID, str], list[str]] = {}
        self._waiting = asyncio.Event()

    def announce(self, tenant_id: UUID, conversation_id: UUID) -> None:
        """Say that something was committed in a conversation. Never blocks."""
        if self._redis is not None and len(self._news) < _BACKLOG:
            self._news.add(conversation_id)
            self._waiting.set()

    def wake_all(self, tenant_id: UUID, conversation_id: UUID) -> None:
        """Say it also to watchers of this worker, where the event itself was not given to the hub. Never blocks."""
        self._hub.publish(conversation_id, Wake())
        self.announce(tenant_id, conversation_id)

    def mirror(self, answer: RunningAnswer, text: str) -> None:
        """Add to the text that other workers can read. Never blocks."""
        if self._redis is not None and len(self._texts) < _BACKLOG:
            key = (answer.conversation_id, _text_key(answer.message_id, answer.attempt))
            self._texts.setdefault(key, []).append(text)
            self._waiting.set()

    async def text_so_far(self, message_id: UUID, attempt: int) -> str:
        """The text of an answer that another worker writes; empty when there is none or Redis is away."""
        if self._redis is None:
            return ""
        try:
            stored: Any = await self._redis.get(_text_key(message_id, attempt))
        except (RedisError, OSError) as error:
            _log.warning("text_not_read", error=str(error))
            return ""
        # A read between two writes never ends inside a character: pieces are appended whole.
        return stored.decode() if stored else ""

    async def run(self) -> None:
        """Publish and hear for ever."""
        if self._redis is not None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish(self._redis))
                tasks.create_task(self._hear(self._redis))

    async def _publish(self, redis: Redis) -> None:
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            news, self._news = self._news, set()
            texts, self._texts = self._texts, {}
            pipeline = redis.pipeline(transaction=False)
            for (_, key), pieces in texts.items():
                pipeline.append(key, "".join(pieces))
                pipeline.expire(key, _TEXT_LIFETIME)
            grown = {conversation_id for conversation_id, _ in texts}
            for channel, ids in ((_TEXT, grown), (_NEWS, news)):
                if ids:
                    pipeline.publish(channel, self._worker + "".join(each.hex for each in ids))
            try:
                await pipeline.execute()
            except (RedisError, OSError) as error:
                _log.warning("news_not_published", error=str(error))
                await asyncio.sleep(_RETRY)

    async def _hear(self, redis: Redis) -> None:
        while True:
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(_NEWS, _TEXT)
                    async for message in channel.listen():
                        self._wake(message["channel"].decode(), message["data"].decode())
            except (RedisError, OSError) as error:
                _log.warning("news_not_heard", error=str(error))
                await asyncio.sleep(_RETRY)

    def _wake(self, channel: str, data: str) -> None:
        if data.startswith(self._worker):
            return
        item = Wake() if channel == _NEWS else TextGrew()
        for start in range(_ID_LENGTH, len(data), _ID_LENGTH):
            self._hub.publish(UUID(data[start : start + _ID_LENGTH]), item)


def _text_key(message_id: UUID, attempt: int) -> str:
    return f"deskwire:answer:{message_id.hex}:{attempt}"
