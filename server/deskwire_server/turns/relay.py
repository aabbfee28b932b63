"""Carries what happens here to other workers: notices by pub/sub, and the text so far in a key.

Notices carry ids only. What happened stands in Postgres; the text of a running answer stands in Redis as it grows
while somebody elsewhere asks for it, so that they see it word by word. With Redis away notices go by Postgres, and
watchers read its checkpoints.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from deskwire_server.db.engine import Database, DatabaseUnavailable
from deskwire_server.turns.hub import Hub, RunningAnswer, TextGrew, Wake
from deskwire_server.turns.models import TypingChanged

_log = structlog.get_logger(__name__)
_REDIS_CHANNEL, _POSTGRES_CHANNEL = "deskwire:notices", "deskwire_notices"
_BACKLOG = 10_000
_RETRY = 1.0
_DOUBT = 3.0
"""Seconds after a failure of Redis in which notices go by Postgres as well: others may not be back yet."""
_TOGETHER, _TOGETHER_WITH_TEXT = 0.1, 0.05
"""Seconds in which notices wait for each other: less where somebody elsewhere reads an answer as it grows."""
_TEXT_LIFETIME = 300
_TEXT_KEPT = 60.0
"""Seconds after which a text that still grows is given its lifetime anew."""
_WANTED_FOR = 5.0
"""Seconds for which a text is kept up after somebody asked for it."""
_ASKED_AGAIN = 1.0
"""Seconds after which whoever still watches asks again: the answer may have moved to another worker."""
_MOST_WANTED = 10_000
_ID_LENGTH = 32
_NEWS, _TEXT, _LOOK, _WANT = "n", "t", "l", "w"
_TYPING: dict[str, tuple[str, bool]] = {
    "u": ("user", True),
    "v": ("user", False),
    "a": ("agent", True),
    "b": ("agent", False),
}
_TYPING_CODES = {meaning: code for code, meaning in _TYPING.items()}
_IN_A_NOTIFICATION = 200
"""Notices of one NOTIFY, whose payload is below 8,000 bytes."""


class Relay:
    """Publishes and hears. Nothing here blocks a turn: a full backlog drops notices, and watchers poll."""

    def __init__(self, redis: Redis | None, database: Database, hub: Hub, worker_id: UUID) -> None:
        self._redis = redis
        self._database = database
        self._hub = hub
        self._worker = worker_id.hex
        self._for_redis = _Outbox()
        self._for_postgres = _Outbox()
        self._texts: dict[str, tuple[RunningAnswer, list[str]]] = {}
        self._wanted: dict[UUID, float] = {}
        """Conversations whose running answer somebody elsewhere watches, and until when that counts."""
        self._asked: dict[UUID, float] = {}
        """When this worker last asked for the text of a conversation."""
        self._doubtful_until = 0.0
        self.look_at: Callable[[UUID], None] | None = None
        """Told of the turns that some worker shall look at."""

    def announce(self, tenant_id: UUID, conversation_id: UUID) -> None:
        """Say that something was committed in a conversation. Never blocks."""
        self._say(_NEWS, conversation_id)

    def wake_all(self, tenant_id: UUID, conversation_id: UUID) -> None:
        """Say it also to watchers of this worker, where the event itself was not given to the hub. Never blocks."""
        self._hub.publish(conversation_id, Wake())
        self.announce(tenant_id, conversation_id)

    def look_elsewhere(self, turn_id: UUID) -> None:
        """Have whoever runs a turn ask at once whether it shall go on. Goes both ways: it is worth the double cost."""
        self._say(_LOOK, turn_id)
        self._for_postgres.add(_LOOK + turn_id.hex)

    def typing(self, conversation_id: UUID, notice: TypingChanged) -> None:
        """Show watchers elsewhere that somebody types. Never blocks."""
        code = _TYPING_CODES.get((notice.role, notice.is_typing))
        if code is not None:
            self._say(code, conversation_id)

    def mirror(self, answer: RunningAnswer, text: str) -> None:
        """Add to the text that other workers can read, if one of them wants to. Never blocks."""
        if self._wanted.get(answer.conversation_id, 0.0) < time.monotonic() or len(self._texts) >= _BACKLOG:
            # What stands there, if anything, lacks this piece.
            answer.stored = -1
            return
        key = _text_key(answer.message_id, answer.attempt)
        self._texts.setdefault(key, (answer, []))[1].append(text)
        self._for_redis.add(_TEXT + answer.conversation_id.hex)

    def want(self, conversation_id: UUID) -> None:
        """Ask whoever answers in a conversation to let this worker read the text as it grows. Never blocks."""
        now = time.monotonic()
        if self._redis is None or now - self._asked.get(conversation_id, -_ASKED_AGAIN) < _ASKED_AGAIN:
            return
        if len(self._asked) >= _MOST_WANTED:
            self._asked = {key: at for key, at in self._asked.items() if now - at < _ASKED_AGAIN}
        self._asked[conversation_id] = now
        self._for_redis.add(_WANT + conversation_id.hex)

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
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._notify())
            tasks.create_task(self._listen())
            if self._redis is not None:
                tasks.create_task(self._publish(self._redis))
                tasks.create_task(self._hear(self._redis))

    def _say(self, kind: str, about: UUID) -> None:
        notice = kind + about.hex
        if self._redis is not None:
            self._for_redis.add(notice)
        if self._redis is None or time.monotonic() < self._doubtful_until:
            self._for_postgres.add(notice)

    async def _publish(self, redis: Redis) -> None:
        while True:
            notices = await self._for_redis.taken()
            texts, self._texts = self._texts, {}
            try:
                await self._write(redis, notices, texts)
            except (RedisError, OSError) as error:
                for answer, _ in texts.values():
                    answer.stored = -1
                self._doubtful_until = time.monotonic() + _RETRY + _DOUBT
                self._for_postgres.add(*(notice for notice in notices if notice[0] != _TEXT))
                _log.warning("notices_go_by_postgres", error=str(error))
                await asyncio.sleep(_RETRY)
            else:
                # The first notice goes at once; what comes close behind it shares one round trip.
                await asyncio.sleep(_TOGETHER_WITH_TEXT if texts else _TOGETHER)

    async def _write(self, redis: Redis, notices: list[str], texts: dict[str, tuple[RunningAnswer, list[str]]]) -> None:
        pipeline = redis.pipeline(transaction=False)
        written: list[tuple[RunningAnswer, int, int]] = []
        now = time.monotonic()
        for key, (answer, pieces) in texts.items():
            if answer.stored < 0:
                # Whole where it is not known what stands there: a gap in the middle would be read as text.
                data = answer.sent.encode()
                pipeline.set(key, data, ex=_TEXT_LIFETIME)
                answer.kept_at = now
                written.append((answer, -1, len(data)))
            else:
                data = "".join(pieces).encode()
                written.append((answer, len(pipeline.command_stack), answer.stored + len(data)))
                pipeline.append(key, data)
                if now - answer.kept_at > _TEXT_KEPT:
                    pipeline.expire(key, _TEXT_LIFETIME)
                    answer.kept_at = now
        pipeline.publish(_REDIS_CHANNEL, self._worker + "".join(notices))
        results = await pipeline.execute()
        for answer, place, length in written:
            # A server that came back empty has less than it should: then the whole text is written next time.
            answer.stored = length if place < 0 or results[place] == length else -1

    async def _hear(self, redis: Redis) -> None:
        while True:
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(_REDIS_CHANNEL)
                    async for message in channel.listen():
                        self._heard(message["data"].decode())
            except (RedisError, OSError) as error:
                _log.warning("notices_not_heard", error=str(error))
                await asyncio.sleep(_RETRY)

    async def _notify(self) -> None:
        while True:
            notices = await self._for_postgres.taken()
            for start in range(0, len(notices), _IN_A_NOTIFICATION):
                payload = self._worker + "".join(notices[start : start + _IN_A_NOTIFICATION])
                try:
                    await self._database.fetchrow("SELECT pg_notify($1, $2)", _POSTGRES_CHANNEL, payload)
                except DatabaseUnavailable:
                    _log.warning("notices_not_sent")
                    await asyncio.sleep(_RETRY)
                    break

    async def _listen(self) -> None:
        while True:
            try:
                await self._database.listen(_POSTGRES_CHANNEL, self._heard)
            except DatabaseUnavailable:
                await asyncio.sleep(_RETRY)

    def _let_read(self, conversation_id: UUID) -> None:
        """Another worker watches a conversation: from now on the text of its answer stands where that one reads it."""
        answer = self._hub.running(conversation_id)
        if answer is None:
            return
        now = time.monotonic()
        if len(self._wanted) >= _MOST_WANTED:
            self._wanted = {key: until for key, until in self._wanted.items() if until >= now}
        self._wanted[conversation_id] = now + _WANTED_FOR
        if answer.stored < 0 and answer.length:
            self.mirror(answer, "")

    def _heard(self, data: str) -> None:
        if data.startswith(self._worker):
            return
        for start in range(_ID_LENGTH, len(data), _ID_LENGTH + 1):
            kind, about = data[start], UUID(data[start + 1 : start + 1 + _ID_LENGTH])
            if kind == _NEWS:
                self._hub.publish(about, Wake(elsewhere=True))
            elif kind == _TEXT:
                self._hub.publish(about, TextGrew())
            elif kind == _WANT:
                self._let_read(about)
            elif kind == _LOOK and self.look_at is not None:
                self.look_at(about)
            elif kind in _TYPING:
                role, is_typing = _TYPING[kind]
                self._hub.publish(about, TypingChanged("agent" if role == "agent" else "user", is_typing))


class _Outbox:
    """Notices that wait, each once and in order, at most as many as the backlog holds."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}
        self._some = asyncio.Event()

    def add(self, *notices: str) -> None:
        for notice in notices:
            if len(self._waiting) < _BACKLOG:
                self._waiting[notice] = None
                self._some.set()

    async def taken(self) -> list[str]:
        """Everything that waits, once there is something."""
        await self._some.wait()
        self._some.clear()
        waiting, self._waiting = self._waiting, {}
        return list(waiting)


def _text_key(message_id: UUID, attempt: int) -> str:
    return f"deskwire:answer:{message_id.hex}:{attempt}"
