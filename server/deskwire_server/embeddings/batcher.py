"""Gathers texts of concurrent requests into batches; questions go ahead of documents."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from deskwire_server.embeddings.minilm import DIMENSIONS
from deskwire_server.embeddings.port import Match, Vectors

Encoded = list[int]
_MOST_MATCHING = 200
"""Comparisons that wait at most; each takes as long as a batch."""


class Model(Protocol):
    """What the batcher runs, in its thread."""

    def encode(self, text: str) -> Encoded:
        """Ids of `text`."""
        ...

    def embed_encoded(self, encoded: Sequence[Encoded]) -> Vectors:
        """Unit vectors, in order."""
        ...

    def embed_layers(self, encoded: Sequence[Encoded]) -> Vectors:
        """Longer rows whose end is the unit vector, in order."""
        ...

    def match(self, question: str, texts: Sequence[str]) -> Match:
        """The words of `question` compared with `texts`."""
        ...


class OverloadedError(Exception):
    """More texts wait than the batcher takes."""


@dataclass(slots=True)
class _Request:
    vectors: list[Vectors | None]
    missing: int
    layers: bool = False
    done: asyncio.Future[Vectors] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(frozen=True, slots=True)
class _Item:
    request: _Request
    place: int
    encoded: Encoded


class Batcher:
    """Runs one model in one thread for many requests."""

    def __init__(self, model: Model, *, batch_pieces: int = 768, max_waiting: int = 100_000) -> None:
        """A batch holds `batch_pieces` word pieces at most (or one text): it bounds how long a question waits."""
        self._model = model
        self._batch_pieces = batch_pieces
        self._max_waiting = max_waiting
        self._queues: dict[str, deque[_Item]] = {"query": deque(), "document": deque()}
        self._matching = 0
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")

    async def embed(
        self, texts: Sequence[str], purpose: Literal["query", "document"], *, layers: bool = False
    ) -> Vectors:
        """Unit vectors of `texts`, in order; with `layers` the longer rows. Raises `OverloadedError`.

        A cancelled call leaves the queue.
        """
        if sum(map(len, self._queues.values())) + len(texts) > self._max_waiting:
            raise OverloadedError
        loop = asyncio.get_running_loop()
        encoded = await loop.run_in_executor(None, lambda: [self._model.encode(text) for text in texts])
        request = _Request([None] * len(texts), len(texts), layers)
        # Neighbours of like length share a batch with little padding.
        for place in sorted(range(len(encoded)), key=lambda index: len(encoded[index])):
            self._queues[purpose].append(_Item(request, place, encoded[place]))
        self._wake.set()
        return await request.done

    async def match(self, question: str, texts: Sequence[str]) -> Match:
        """Compare the words of `question` with `texts` between two batches. Raises `OverloadedError`."""
        if self._matching >= _MOST_MATCHING:
            raise OverloadedError
        self._matching += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._model.match, question, texts)
        finally:
            self._matching -= 1

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                batch = self._next_batch()
                if not batch:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                try:
                    layers = any(item.request.layers for item in batch)
                    embed = self._model.embed_layers if layers else self._model.embed_encoded
                    vectors = await loop.run_in_executor(self._thread, embed, [item.encoded for item in batch])
                except Exception as error:
                    for item in batch:
                        if not item.request.done.done():
                            item.request.done.set_exception(error)
                    continue
                for item, vector in zip(batch, vectors, strict=True):
                    _deliver(item, vector if item.request.layers or not layers else vector[-DIMENSIONS:])
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _next_batch(self) -> list[_Item]:
        batch: list[_Item] = []
        pieces = 0
        for queue in self._queues.values():
            while queue:
                item = queue[0]
                if not item.request.done.done():
                    if batch and pieces + len(item.encoded) > self._batch_pieces:
                        return batch
                    batch.append(item)
                    pieces += len(item.encoded)
                queue.popleft()
            if batch:
                return batch
        return batch


def _deliver(item: _Item, vector: Vectors) -> None:
    request = item.request
    request.vectors[item.place] = vector
    request.missing -= 1
    if request.missing == 0 and not request.done.done():
        request.done.set_result(np.stack([found for found in request.vectors if found is not None]))
