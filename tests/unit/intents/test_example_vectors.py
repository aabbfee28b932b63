"""Rows of examples: in order, made once, by two embedders where there are many, whatever becomes of the second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal
from uuid import UUID

import numpy as np
import pytest

from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Vectors
from deskwire_server.intents import training_store
from deskwire_server.intents.example_vectors import ExampleVectors
from deskwire_server.intents.features import Featurizer

TENANT = UUID(int=1)
MANY = [str(number) for number in range(3_000)]


class Database:
    @asynccontextmanager
    async def transaction(self, _tenant: UUID) -> AsyncIterator[None]:
        yield None


class Numbers(Featurizer):
    """The row of a text is its number."""

    def __init__(self, *, fails_after: int | None = None, second: Numbers | None = None) -> None:
        super().__init__(None)
        self.made: list[str] = []
        self._left = fails_after
        self._second = second
        self.second_ended = False

    @property
    def name(self) -> str:
        return "numbers"

    @property
    def can_be_doubled(self) -> bool:
        return self._second is not None

    @asynccontextmanager
    async def doubled(self) -> AsyncIterator[Featurizer]:
        assert self._second is not None
        try:
            yield self._second
        finally:
            self.second_ended = True

    async def vectors(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        await asyncio.sleep(0)
        if self._left == 0:
            raise EmbedderUnavailable("gone", embedder="numbers")
        self._left = None if self._left is None else self._left - 1
        self.made += texts
        return np.array([[float(text)] for text in texts], dtype=np.float32)


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, bytes]:
    """What the store keeps, in memory."""
    rows: dict[bytes, bytes] = {}

    async def vectors(_connection: Any, _name: str, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        return {key: rows[key] for key in hashes if key in rows}

    async def count(_connection: Any, _name: str, hashes: Sequence[bytes]) -> int:
        return len(rows.keys() & set(hashes))

    async def keep(_connection: Any, _tenant: UUID, _name: str, made: Mapping[bytes, bytes]) -> None:
        rows.update(made)

    async def drop(_connection: Any, _name: str, used: Sequence[bytes]) -> None:
        for key in rows.keys() - set(used):
            del rows[key]

    monkeypatch.setattr(training_store, "vectors", vectors)
    monkeypatch.setattr(training_store, "count_vectors", count)
    monkeypatch.setattr(training_store, "keep_vectors", keep)
    monkeypatch.setattr(training_store, "drop_vectors", drop)
    return rows


async def rows_of(features: Numbers, texts: Sequence[str], told: list[float] | None = None) -> list[float]:
    vectors = ExampleVectors(Database(), features, twice=True)  # type: ignore[arg-type]
    found = await vectors.of(TENANT, texts, (told if told is not None else []).append)
    return [float(value) for value in np.concatenate(found)[:, 0]]


async def test_two_embedders_share_many_texts() -> None:
    second = Numbers()
    first = Numbers(second=second)
    told: list[float] = []
    # Half of the bits are kept, enough for whole numbers up to 2,048.
    assert await rows_of(first, MANY, told) == [float(np.float16(text)) for text in MANY]
    assert first.made
    assert second.made
    assert sorted(first.made + second.made) == sorted(MANY)
    assert first.second_ended
    assert told == sorted(told)
    assert told[-1] == 1


async def test_few_texts_and_kept_ones_need_no_second_embedder(kept: dict[bytes, bytes]) -> None:
    first = Numbers(second=Numbers())
    await rows_of(first, MANY[:500])
    assert not first.second_ended
    assert len(kept) == 500
    again = Numbers(second=Numbers())
    assert len(await rows_of(again, [*MANY[:400], "7", "9000"])) == 402
    assert again.made == ["9000"]
    assert len(kept) == 401


@pytest.mark.parametrize("slices", [0, 2])
async def test_what_a_second_embedder_leaves_is_done_by_the_first(slices: int) -> None:
    first = Numbers(second=Numbers(fails_after=slices))
    assert await rows_of(first, MANY) == [float(np.float16(text)) for text in MANY]


async def test_without_the_first_embedder_a_training_fails() -> None:
    first = Numbers(fails_after=1, second=Numbers())
    with pytest.raises(EmbedderUnavailable):
        await rows_of(first, MANY)
    assert first.second_ended
