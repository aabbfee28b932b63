"""Remembers embeddings: in this process for the latest texts, in Redis for all workers. Keys are hashes, never text."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import numpy as np
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from deskwire_server.embeddings.gathering import Gathering
from deskwire_server.embeddings.local import LocalEmbedder
from deskwire_server.embeddings.port import Embedder, Match, Vectors

_SLICE = 512
"""Texts of one round trip to Redis."""
_log = structlog.get_logger(__name__)
_LEFT_IN_PEACE = 5.0
"""Seconds for which Redis is not asked after it failed: one that hangs would cost every call its timeout."""


class CachedEmbedder:
    """An embedder that asks the one it wraps only for texts it has not seen lately. Without Redis it goes on alone."""

    def __init__(self, inner: Embedder, redis: Redis | None, *, ttl: int, local_entries: int = 2_048) -> None:
        """`ttl` in seconds, 0 turns Redis off; `local_entries` texts are kept in this process."""
        self._inner = inner
        self._questions = Gathering(inner)
        self._redis = redis if ttl > 0 else None
        self._ttl = ttl
        self._local: OrderedDict[str, Vectors] = OrderedDict()
        self._local_entries = local_entries
        self._away_until = 0.0

    @property
    def name(self) -> str:
        """Name of the wrapped embedder."""
        return self._inner.name

    @property
    def dimensions(self) -> int:
        """Dimensions of the wrapped embedder."""
        return self._inner.dimensions

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        """Embed `texts` in order. Raises `EmbedderUnavailable` where a text is new and the embedder away."""
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        keys = [self._key(text) for text in texts]
        found = {key: self._local[key] for key in keys if key in self._local}
        found |= await self._from_redis([key for key in dict.fromkeys(keys) if key not in found])
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            if purpose == "query":
                vectors = await self._questions.embed(list(missing.values()))
            else:
                vectors = await self._inner.embed(list(missing.values()), purpose=purpose)
            fresh = dict(zip(missing, vectors, strict=True))
            await self._to_redis(fresh)
            found |= fresh
        if purpose == "query":  # Documents would push the questions out.
            for key in dict.fromkeys(keys):
                self._remember(key, found[key])
        return np.stack([found[key] for key in keys])

    @property
    def has_layers(self) -> bool:
        """Whether `embed_layers` gives rows."""
        return isinstance(self._inner, LocalEmbedder)

    async def embed_layers(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors | None:
        """The longer rows of the local embedder, None where another one is wrapped. Raises `EmbedderUnavailable`.

        Of questions the embedding at a row's end is remembered, so that a search for the same text costs nothing.
        """
        if not isinstance(self._inner, LocalEmbedder):
            return None
        rows = await self._inner.embed_layers(texts, purpose=purpose)
        if purpose == "query":
            for text, row in zip(texts, rows, strict=True):
                self._remember(self._key(text), row[-self.dimensions :].copy())
        return rows

    async def match(self, question: str, texts: Sequence[str]) -> Match | None:
        """The local embedder's comparison of words, None where another one is wrapped. Raises `EmbedderUnavailable`."""
        return await self._inner.match(question, texts) if isinstance(self._inner, LocalEmbedder) else None

    async def ping(self) -> None:
        """Ask the wrapped embedder for a sign of life, where it is one that can tell. Raises `EmbedderUnavailable`."""
        if isinstance(self._inner, LocalEmbedder):
            await self._inner.ping()

    async def close(self) -> None:
        """Close the wrapped embedder; Redis belongs to whoever made it."""
        await self._questions.close()
        await self._inner.close()

    def _key(self, text: str) -> str:
        return f"embedding:{self.name}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"

    def _remember(self, key: str, vector: Vectors) -> None:
        self._local[key] = vector
        self._local.move_to_end(key)
        while len(self._local) > self._local_entries:
            self._local.popitem(last=False)

    async def _from_redis(self, keys: list[str]) -> dict[str, Vectors]:
        if self._redis is None or not keys or time.monotonic() < self._away_until:
            return {}
        values: list[object] = []
        try:
            for start in range(0, len(keys), _SLICE):
                values += await self._redis.mget(keys[start : start + _SLICE])
        except (RedisError, OSError) as error:
            self._leave_in_peace(error)
            return {}
        size = self.dimensions * 4
        return {
            key: np.frombuffer(value, dtype="<f4").astype(np.float32)
            for key, value in zip(keys, values, strict=True)
            if isinstance(value, bytes) and len(value) == size
        }

    async def _to_redis(self, fresh: dict[str, Vectors]) -> None:
        if self._redis is None or time.monotonic() < self._away_until:
            return
        keys = list(fresh)
        try:
            for start in range(0, len(keys), _SLICE):
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for key in keys[start : start + _SLICE]:
                        pipeline.set(key, fresh[key].astype("<f4").tobytes(), ex=self._ttl)
                    await pipeline.execute()
        except (RedisError, OSError) as error:
            self._leave_in_peace(error)

    def _leave_in_peace(self, error: Exception) -> None:
        _log.debug("embedding_cache_away", error=type(error).__name__)
        self._away_until = time.monotonic() + _LEFT_IN_PEACE
