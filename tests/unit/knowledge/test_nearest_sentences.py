"""Sentences of many passages compared at once give what comparing each gives."""

from __future__ import annotations

import numpy as np
import pytest

from deskwire_server.knowledge.vectors import literal, nearest_sentences, pack, similarities


def _units(rows: int, dimensions: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_as_one_by_one() -> None:
    (question,) = _units(1, 64, 0)
    packed = [pack(_units(rows, 64, rows)) for rows in (1, 5, 12, 3)]
    expected = [similarities(one, question).max() for one in packed]
    assert nearest_sentences(packed, question) == pytest.approx(expected, abs=1e-5)


def test_passages_without_rows_of_these_dimensions() -> None:
    (question,) = _units(1, 64, 0)
    packed = [b"", pack(_units(2, 64, 1)), pack(_units(2, 32, 1)), pack(np.empty((0, 64), dtype=np.float32))]
    found = nearest_sentences(packed, question)
    assert np.isnan(found).tolist() == [True, False, True, True]
    assert np.isnan(nearest_sentences([b""], question)).all()


def test_literals_read_back() -> None:
    (vector,) = _units(1, 384, 3)
    read = np.array([float(part) for part in literal(vector)[1:-1].split(",")], dtype=np.float32)
    assert np.array_equal(read, vector)
    assert literal(np.array([1e-7, -2.5], dtype=np.float32)) == "[1e-7,-2.5]"
