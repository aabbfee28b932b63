"""Texts of many requests share batches; questions go first; one failure stays with its own requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest

from deskwire_server.embeddings.batcher import Batcher, OverloadedError
from deskwire_server.embeddings.port import Match, Vectors


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

    def embed_layers(self, encoded: Sequence[list[int]]) -> Vectors:
        return self.embed_encoded(encoded)

    def match(self, question: str, texts: Sequence[str]) -> Match:
        self.gate.wait(5)
        ones = np.ones((len(texts), 1), dtype=np.float32)
        return Match((question.strip("?").lower(),), ones[0], ones, ones.T)


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


async def test_comparisons_are_limited_and_made_between_batches() -> None:
    model = _Lengths()
    async with _running(model) as batcher:
        match = await batcher.match("Where?", ["There."])
        assert match.words == ("where",)
        model.gate.clear()
        waiting = [asyncio.create_task(batcher.match("Where?", ["There."])) for _ in range(200)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await batcher.match("Where?", ["There."])
        model.gate.set()
        assert len(await asyncio.gather(*waiting)) == 200
