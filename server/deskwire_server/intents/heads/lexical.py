"""Words and pieces of words as vectors of fixed length, by hashing: what sentence vectors blur."""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from deskwire_server.intents.heads.linear import Array

DIMENSIONS = 4096
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_SIZES = (3, 4, 5)
_LONGEST = 2_000
"""Characters of a text that are looked at."""


def count(texts: Sequence[str]) -> Array:
    """Signed, damped counts of words, pairs of words and pieces, one row a text."""
    rows = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for piece in _pieces(text[:_LONGEST].lower()):
            code = zlib.crc32(piece.encode("utf-8", "surrogatepass"))
            row[code % DIMENSIONS] += 1 if code >> 31 else -1
    damped: Array = np.sign(rows) * np.sqrt(np.abs(rows))
    return damped


def rarity(counts: Array) -> Array:
    """Weight of each column: the rarer in the examples the more it says."""
    shares = (counts != 0).mean(axis=0)
    weights: Array = np.log(1.0 / (shares + 0.01)).astype(np.float32)
    weights /= np.float32(max(float(weights.max()), 1e-9))
    return weights


def weigh(counts: Array, weights: Array) -> Array:
    """Unit rows of weighted counts."""
    rows: Array = counts * weights
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-9))
    return rows


def _pieces(text: str) -> Iterator[str]:
    words = _WORD.findall(text)
    for word in words:
        yield f"w:{word}"
        padded = f"<{word}>"
        for size in _SIZES:
            for start in range(len(padded) - size + 1):
                yield padded[start : start + size]
    for left, right in itertools.pairwise(words):
        yield f"b:{left} {right}"
