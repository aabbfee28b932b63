"""Texts of many requests share batches; questions go first; one failure stays with its own requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest

from deskwire_server.embeddings.batcher import Batcher, OverloadedError
from deskwire_server.embeddings.port import Vectors


class _Lengths:
    """A model whose vector is a text's length; it can be held up."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = 0

    def encode(self, text: str) -> list[int]:
        return [1] * len(text)

    def embed_encoded(self, encoded: Sequence[list[int]]) -> Vectors:
        self.entered += 1
        self.gate.wait(5)
        lengths = [len(ids) for ids in encoded]
        self.batches.append(lengths)
        if 13 in lengths:
            raise ValueError("unlucky")
        return np.array([[length] for length in lengths], dtype=np.float32)


@asynccontextmanager
async def _running(model: _Lengths, **options: int) -> AsyncIterator[Batcher]:
    batcher = Batcher(model, **options)
    task = asyncio.create_task(batcher.run())
    try:
        yield batcher
    finally:
        model.gate.set()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_answers_in_the_order_asked() -> None:
    async with _running(_Lengths()) as batcher:
        vectors = await batcher.embed(["four", "a", "seventy"], "document")
    assert vectors[:, 0].tolist() == [4, 1, 7]


async def test_concurrent_questions_share_a_batch() -> None:
    model = _Lengths()
    async with _running(model) as batcher:
        model.gate.clear()
        first = asyncio.create_task(batcher.embed(["x"], "query"))
        await _until(lambda: model.entered == 1)
        rest = [asyncio.create_task(batcher.embed(["y" * size], "query")) for size in range(2, 9)]
        await _until(lambda: sum(map(len, batcher._queues.values())) == 7)
        model.gate.set()
        await asyncio.gather(first, *rest)
    assert [sorted(batch) for batch in model.batches] == [[1], [2, 3, 4, 5, 6, 7, 8]]


async def test_questions_overtake_documents() -> None:
    model = _Lengths()
    done: list[str] = []
    async with _running(model, batch_pieces=10) as batcher:
        model.gate.clear()

        async def embed(name: str, texts: list[str], purpose: str) -> None:
            await batcher.embed(texts, purpose)  # type: ignore[arg-type]
            done.append(name)

        documents = asyncio.create_task(embed("documents", ["d" * 10] * 20, "document"))
        await _until(lambda: model.entered == 1)
        question = asyncio.create_task(embed("question", ["q"], "query"))
        await _until(lambda: len(batcher._queues["query"]) == 1)
        model.gate.set()
        await asyncio.gather(documents, question)
    assert done == ["question", "documents"]


async def test_a_failure_stays_with_its_request() -> None:
    async with _running(_Lengths(), batch_pieces=13) as batcher:
        results = await asyncio.gather(
            batcher.embed(["x" * 13], "query"), batcher.embed(["fine"], "query"), return_exceptions=True
        )
        assert isinstance(results[0], ValueError)
        assert (await batcher.embed(["later"], "query"))[0, 0] == 5


async def test_refuses_more_than_it_takes() -> None:
    async with _running(_Lengths(), max_waiting=3) as batcher:
        with pytest.raises(OverloadedError):
            await batcher.embed(["a", "b", "c", "d"], "document")


async def test_a_cancelled_request_is_not_worked_on() -> None:
    model = _Lengths()
    async with _running(model, batch_pieces=5) as batcher:
        model.gate.clear()
        held = asyncio.create_task(batcher.embed(["held"], "query"))
        await _until(lambda: model.entered == 1)
        gone = asyncio.create_task(batcher.embed(["x" * 9], "query"))
        await _until(lambda: len(batcher._queues["query"]) == 1)
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        model.gate.set()
        await held
        await batcher.embed(["after"], "query")
    assert [9] not in model.batches


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)
