"""Writes vectors as Postgres takes them, and packs those of sentences into a quarter of their size."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from deskwire_server.embeddings.port import Vectors

_HEAD = struct.Struct("<HH")


def literal(vector: Vectors) -> str:
    """`vector` as a pgvector literal."""
    return orjson.dumps(np.ascontiguousarray(vector), option=orjson.OPT_SERIALIZE_NUMPY).decode()


def pack(vectors: Vectors) -> bytes:
    """`vectors` as signed bytes with one scale a row. An error of a cosine stays below 0.01."""
    rows, dimensions = vectors.shape
    scales = np.abs(vectors).max(axis=1) / np.float32(127) if rows else np.empty(0, dtype=np.float32)
    scales = np.where(scales > 0, scales, np.float32(1)).astype("<f4")
    small = np.rint(vectors / scales[:, None]).astype(np.int8)
    return _HEAD.pack(rows, dimensions) + scales.tobytes() + small.tobytes()


def similarities(packed: bytes, question: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of `question` with each packed row. Empty where there are no rows, or rows of other dimensions."""
    rows, dimensions = _HEAD.unpack_from(packed)
    if not rows or dimensions != len(question):
        return np.empty(0, dtype=np.float32)
    scales = np.frombuffer(packed, dtype="<f4", count=rows, offset=_HEAD.size)
    small = np.frombuffer(packed, dtype=np.int8, offset=_HEAD.size + 4 * rows).reshape(rows, dimensions)
    found: NDArray[np.float32] = (small.astype(np.float32) @ question) * scales
    return found


def nearest_sentences(packed: Sequence[bytes], question: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each of `packed` the cosine of `question` with its nearest row; NaN where it has none of these dimensions."""
    nearest = np.full(len(packed), np.nan)
    places, counts, scales, small = [], [], [], []
    for place, one in enumerate(packed):
        rows, dimensions = _HEAD.unpack_from(one) if one else (0, 0)
        if not rows or dimensions != len(question):
            continue
        places.append(place)
        counts.append(rows)
        scales.append(one[_HEAD.size : _HEAD.size + 4 * rows])
        small.append(one[_HEAD.size + 4 * rows :])
    if places:
        # All at once: a product for each passage would cost ten times as much.
        whole = np.frombuffer(b"".join(small), dtype=np.int8).reshape(-1, len(question))
        likeness = (whole.astype(np.float32) @ question) * np.frombuffer(b"".join(scales), dtype="<f4")
        nearest[places] = np.maximum.reduceat(likeness, np.concatenate([[0], np.cumsum(counts)[:-1]]))
    return nearest
