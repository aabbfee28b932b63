"""The cache asks its embedder only for what is new, and does without Redis when it is away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from deskwire_server.embeddings.cache import CachedEmbedder
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Vectors


class _Counting:
    name = "test/counting"
    dimensions = 2

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away = False

    async def embed(self, texts: Sequence[str], *, purpose: str) -> Vectors:
        if self.away:
            raise EmbedderUnavailable("away", embedder=self.name)
        self.asked.extend(texts)
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)

    async def close(self) -> None:
        self.away = True


class _Redis:
    """The calls that the cache makes, on a dictionary."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.lifetimes: set[int] = set()
        self.away = False

    async def mget(self, keys: list[str]) -> list[bytes | None]:
        if self.away:
            raise RedisConnectionError("away")
        return [self.values.get(key) for key in keys]

    def pipeline(self, *, transaction: bool) -> Any:
        redis = self

        class _Pipeline:
            async def __aenter__(self) -> Any:
                return self

            async def __aexit__(self, *_: object) -> None:
                return None

            def set(self, key: str, value: bytes, *, ex: int) -> None:
                redis.values[key] = value
                redis.lifetimes.add(ex)

            async def execute(self) -> None:
                if redis.away:
                    raise RedisConnectionError("away")

        return _Pipeline()


async def test_asks_once_for_each_text() -> None:
    inner = _Counting()
    cache = CachedEmbedder(inner, None, ttl=60)
    first = await cache.embed(["one", "three", "one"], purpose="query")
    assert inner.asked == ["one", "three"]
    assert first[:, 0].tolist() == [3, 5, 3]
    await cache.embed(["three", "seventeen"], purpose="query")
    assert inner.asked == ["one", "three", "seventeen"]


async def test_another_process_finds_it_in_redis() -> None:
    redis: Any = _Redis()
    await CachedEmbedder(_Counting(), redis, ttl=60).embed(["secret question"], purpose="query")
    other = _Counting()
    vectors = await CachedEmbedder(other, redis, ttl=60).embed(["secret question"], purpose="query")
    assert other.asked == []
    assert vectors.tolist() == [[15, 1]]
    assert redis.lifetimes == {60}
    assert not any("secret" in key for key in redis.values)


async def test_goes_on_without_redis() -> None:
    redis: Any = _Redis()
    redis.away = True
    vectors = await CachedEmbedder(_Counting(), redis, ttl=60).embed(["text"], purpose="query")
    assert vectors.tolist() == [[4, 1]]


async def test_foreign_bytes_are_no_vector() -> None:
    redis: Any = _Redis()
    cache = CachedEmbedder(_Counting(), redis, ttl=60, local_entries=0)
    await cache.embed(["text"], purpose="query")
    redis.values = dict.fromkeys(redis.values, b"short")
    assert (await cache.embed(["text"], purpose="query")).tolist() == [[4, 1]]


async def test_no_lifetime_turns_redis_off() -> None:
    redis: Any = _Redis()
    await CachedEmbedder(_Counting(), redis, ttl=0).embed(["text"], purpose="query")
    assert redis.values == {}


async def test_what_is_known_survives_the_embedder() -> None:
    inner = _Counting()
    cache = CachedEmbedder(inner, None, ttl=60)
    await cache.embed(["known"], purpose="query")
    inner.away = True
    assert (await cache.embed(["known"], purpose="query")).tolist() == [[5, 1]]
    with pytest.raises(EmbedderUnavailable):
        await cache.embed(["new"], purpose="query")


async def test_an_embedder_that_compares_no_words_says_so() -> None:
    assert await CachedEmbedder(_Counting(), None, ttl=0).match("Where?", ["There."]) is None
