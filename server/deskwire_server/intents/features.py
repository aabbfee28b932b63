"""Texts as rows that heads learn from and are asked with: one pass of the embedder for each text."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import numpy as np

from deskwire_server.embeddings.cache import CachedEmbedder
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.helper import second_embedder
from deskwire_server.embeddings.local import LocalEmbedder
from deskwire_server.embeddings.port import Embedder, Vectors
from deskwire_server.intents.heads.parts import Rows

_REMEMBERED = 512


class Featurizer:
    """Rows of texts. With the local embedder they hold the vectors of several layers, with another one its vectors."""

    def __init__(self, embedder: Embedder | None) -> None:
        """Without an embedder nothing can be classified."""
        self._embedder = embedder
        self._questions: OrderedDict[str, Vectors] = OrderedDict()

    @property
    def name(self) -> str:
        """What made the rows; heads fit rows of the same name only."""
        if self._embedder is None:
            return ""
        return f"{self._embedder.name}{'#layers' if self._has_layers else ''}"

    @property
    def embedder(self) -> Embedder | None:
        """Where the vectors come from."""
        return self._embedder

    @property
    def plain_size(self) -> int:
        """Dimensions of the embedder's own vector, which stands at a row's end."""
        return self._embedder.dimensions if self._embedder is not None else 0

    async def vectors(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        """One row a text. Raises `EmbedderUnavailable`. Of questions the latest are remembered."""
        if self._embedder is None:
            raise EmbedderUnavailable("there is no embedder", embedder="none", retry_after=None)
        if purpose == "document":
            return await self._embed(texts, purpose)
        missing = [text for text in dict.fromkeys(texts) if text not in self._questions]
        fresh = dict(zip(missing, await self._embed(missing, purpose), strict=True)) if missing else {}
        rows = np.stack([fresh[text] if text in fresh else self._questions[text] for text in texts])
        for text, row in fresh.items():
            self._questions[text] = row
        while len(self._questions) > _REMEMBERED:
            self._questions.popitem(last=False)
        return rows

    @property
    def can_be_doubled(self) -> bool:
        """Whether `doubled` gives anything."""
        return self._has_layers

    @asynccontextmanager
    async def doubled(self) -> AsyncIterator[Featurizer]:
        """Makes the same rows by a second local embedder of its own. Raises `EmbedderUnavailable`."""
        async with second_embedder() as embedder:
            yield Featurizer(embedder)

    async def rows(self, texts: Sequence[str], *, purpose: Literal["query", "document"], words: bool) -> Rows:
        """Rows for a head, with the texts' words where it needs them. Raises `EmbedderUnavailable`."""
        vectors = await self.vectors(texts, purpose=purpose)
        return await asyncio.to_thread(Rows.of, vectors, self.plain_size, list(texts) if words else None)

    @property
    def _has_layers(self) -> bool:
        inner = self._embedder
        return isinstance(inner, LocalEmbedder) or (isinstance(inner, CachedEmbedder) and inner.has_layers)

    async def _embed(self, texts: Sequence[str], purpose: Literal["query", "document"]) -> Vectors:
        assert self._embedder is not None
        if isinstance(self._embedder, LocalEmbedder | CachedEmbedder) and self._has_layers:
            rows = await self._embedder.embed_layers(texts, purpose=purpose)
            if rows is not None:
                return rows
        return await self._embedder.embed(texts, purpose=purpose)
