"""Concurrent questions share calls of the embedder, and no caller harms another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from deskwire_server.embeddings.cache import CachedEmbedder
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.gathering import Gathering
from deskwire_server.embeddings.port import Vectors


class SlowEmbedder:
    """Answers once it may, with vectors that tell the texts apart."""

    name = "test/slow"
    dimensions = 2

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.may_answer = asyncio.Event()
        self.fails = False

    async def embed(self, texts: Sequence[str], *, purpose: str) -> Vectors:
        self.calls.append(list(texts))
        await self.may_answer.wait()
        if self.fails:
            raise EmbedderUnavailable("away", embedder=self.name)
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)

    async def close(self) -> None:
        return


async def test_questions_of_the_same_moment_share_a_call() -> None:
    inner = SlowEmbedder()
    inner.may_answer.set()
    embedder = CachedEmbedder(inner, None, ttl=0)
    found = await asyncio.gather(
        *(embedder.embed([text], purpose="query") for text in ("a", "bb", "ccc", "bb")),
        embedder.embed(["dddd", "a"], purpose="query"),
    )
    assert inner.calls == [["a", "bb", "ccc", "dddd"]]
    assert [rows[:, 0].tolist() for rows in found] == [[1], [2], [3], [2], [4, 1]]
    await embedder.embed(["bb"], purpose="query")
    assert len(inner.calls) == 1
    await embedder.close()


async def test_questions_during_a_call_wait_for_each_other() -> None:
    inner = SlowEmbedder()
    gathering = Gathering(inner)
    first = asyncio.create_task(gathering.embed(["a"]))
    while not inner.calls:
        await asyncio.sleep(0)
    later = [asyncio.create_task(gathering.embed([text])) for text in ("bb", "ccc", "a")]
    await asyncio.sleep(0)
    inner.may_answer.set()
    await asyncio.gather(first, *later)
    assert inner.calls == [["a"], ["bb", "ccc"]]
    await gathering.close()


async def test_a_cancelled_caller_takes_nobody_along() -> None:
    inner = SlowEmbedder()
    gathering = Gathering(inner)
    leaving, staying = (asyncio.create_task(gathering.embed(["a"])) for _ in range(2))
    while not inner.calls:
        await asyncio.sleep(0)
    leaving.cancel()
    inner.may_answer.set()
    assert (await staying)[0, 0] == 1
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await gathering.close()


async def test_all_hear_of_an_error_and_the_next_call_is_new() -> None:
    inner = SlowEmbedder()
    inner.fails = True
    inner.may_answer.set()
    gathering = Gathering(inner)
    outcomes = await asyncio.gather(*(gathering.embed([text]) for text in ("a", "a", "b")), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [EmbedderUnavailable] * 3
    inner.fails = False
    assert (await gathering.embed(["a"]))[0, 0] == 1
    await gathering.close()


async def test_closing_ends_the_calls() -> None:
    gathering = Gathering(SlowEmbedder())
    waiting = asyncio.create_task(gathering.embed(["a"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await gathering.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
