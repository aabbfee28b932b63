"""Rows of examples: those that are kept already, and new ones, by two embedders where there are many."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np
import structlog

from deskwire_server.db.engine import Database
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Vectors
from deskwire_server.intents import training_store
from deskwire_server.intents.features import Featurizer

_SLICE = 256
_WORTH_A_SECOND = 1_024
"""New texts from which on a second embedder is started: it takes about a second."""
_log = structlog.get_logger(__name__)


class ExampleVectors:
    """Makes the rows of examples and keeps them for the next training."""

    def __init__(self, database: Database, features: Featurizer, *, twice: bool) -> None:
        """With `twice` a second embedder helps with many texts."""
        self._database = database
        self._features = features
        self._twice = twice

    async def of(self, tenant_id: UUID, texts: Sequence[str], progress: Callable[[float], None]) -> list[Vectors]:
        """Rows of `texts`, a slice at a time. Raises `EmbedderUnavailable`, `DatabaseUnavailable`."""
        work = _Work(self._database, self._features, tenant_id, texts, progress)
        helping = asyncio.create_task(self._help(work)) if self._twice and self._features.can_be_doubled else None
        try:
            await work.go(self._features)
            if helping is not None:
                await helping
        finally:
            if helping is not None:
                helping.cancel()
                await asyncio.gather(helping, return_exceptions=True)
        await work.go(self._features)
        async with self._database.transaction(tenant_id) as connection:
            await training_store.drop_vectors(connection, self._features.name, work.hashes)
        return work.rows()

    async def _help(self, work: _Work) -> None:
        """Take slices too when there is much to embed. What fails here is left to the other embedder."""
        if await work.missing() < _WORTH_A_SECOND:
            return
        try:
            async with self._features.doubled() as second:
                await work.go(second)
        except EmbedderUnavailable as error:
            _log.warning("second_embedder_away", error=error.message)


class _Work:
    """Slices of texts, each of which whoever is free takes."""

    def __init__(
        self,
        database: Database,
        features: Featurizer,
        tenant_id: UUID,
        texts: Sequence[str],
        progress: Callable[[float], None],
    ) -> None:
        self.hashes = [_hash(text) for text in texts]
        self._database = database
        self._name = features.name
        self._tenant_id = tenant_id
        self._texts = texts
        self._progress = progress
        self._starts = list(range(0, len(texts), _SLICE))[::-1]
        self._slices = len(self._starts)
        self._done: dict[int, Vectors] = {}

    async def missing(self) -> int:
        """How many texts have no kept row."""
        async with self._database.transaction(self._tenant_id) as connection:
            kept = await training_store.count_vectors(connection, self._name, self.hashes)
        return len(set(self.hashes)) - kept

    async def go(self, features: Featurizer) -> None:
        """Take slices until none is left. The one that fails is put back."""
        while self._starts:
            start = self._starts.pop()
            try:
                self._done[start] = await self._slice(start, features)
            except BaseException:
                self._starts.append(start)
                raise
            self._progress(len(self._done) / self._slices)

    def rows(self) -> list[Vectors]:
        """All slices in order."""
        return [self._done[start] for start in sorted(self._done)]

    async def _slice(self, start: int, features: Featurizer) -> Vectors:
        texts, hashes = self._texts[start : start + _SLICE], self.hashes[start : start + _SLICE]
        async with self._database.transaction(self._tenant_id) as connection:
            kept = await training_store.vectors(connection, self._name, hashes)
        missing = {key: text for key, text in zip(hashes, texts, strict=True) if key not in kept}
        if missing:
            fresh = await features.vectors(list(missing.values()), purpose="document")
            made = {key: row.astype("<f2").tobytes() for key, row in zip(missing, fresh, strict=True)}
            async with self._database.transaction(self._tenant_id) as connection:
                await training_store.keep_vectors(connection, self._tenant_id, self._name, made)
            kept |= made
        return np.stack([np.frombuffer(kept[key], dtype="<f2") for key in hashes]).astype(np.float32)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
