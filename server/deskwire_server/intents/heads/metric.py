"""A space in which examples of one intent lie close together, and the nearest examples in a space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deskwire_server.intents.heads.linear import Array, Labels

_SHRINKAGE = 3.0
"""Share of the mean variance that is added to each direction, so that few examples do not blow up noise."""
_DIMENSIONS = 256
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Metric:
    """Centres, then whitens what varies within intents."""

    mean: Array
    projection: Array
    basis: Array | None = None
    """Of few rows: orthonormal directions of their span. What lies outside of it counts for a vector's length."""
    floor: float = 0.0
    """Variance that is granted outside of the span."""

    def apply(self, vectors: Array) -> Array:
        """Vectors in the new space, of length 1 or, where they leave the examples' span, less."""
        centred = vectors - self.mean
        moved = centred @ self.projection
        squares = (moved**2).sum(axis=1)
        if self.basis is not None:
            outside = (centred**2).sum(axis=1) - ((centred @ self.basis) ** 2).sum(axis=1)
            squares = squares + np.maximum(outside, 0) / self.floor
        length = np.maximum(np.sqrt(squares), 1e-9)
        return np.asarray(moved / length[:, None], dtype=np.float32)


def fit(vectors: Array, labels: Labels, classes: int) -> Metric:
    """The metric of labelled vectors."""
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    means = np.zeros((classes, vectors.shape[1]), dtype=np.float32)
    np.add.at(means, labels, centred)
    means /= np.maximum(np.bincount(labels, minlength=classes), 1)[:, None].astype(np.float32)
    rest = centred - means[labels]
    if len(vectors) < vectors.shape[1]:
        return _few(mean.astype(np.float32), centred, rest)
    values, directions = np.linalg.eigh(rest.T @ rest / np.float32(len(rest)))
    whitening = directions / np.sqrt(np.maximum(values, 0) + _SHRINKAGE * max(float(values.mean()), 1e-9))
    if whitening.shape[1] > _DIMENSIONS:
        white = centred @ whitening
        _, main = np.linalg.eigh(white.T @ white / np.float32(len(white)))
        whitening = whitening @ main[:, -_DIMENSIONS:]
    return Metric(mean.astype(np.float32), np.ascontiguousarray(whitening, dtype=np.float32))


def _few(mean: Array, centred: Array, rest: Array) -> Metric:
    """The same metric for fewer rows than dimensions, by way of the rows' likeness to each other: much faster."""
    count = np.float32(len(rest))
    values, left = np.linalg.eigh(rest @ rest.T / count)
    floor = _SHRINKAGE * max(float(np.maximum(values, 0).sum()) / rest.shape[1], 1e-9)
    kept = values > 1e-7 * max(float(values.max()), 1e-9)
    directions = rest.T @ left[:, kept] / np.sqrt(values[kept] * count)
    change = 1 / np.sqrt(values[kept] + floor) - 1 / np.sqrt(floor)
    white = centred / np.sqrt(floor) + ((centred @ directions) * change) @ directions.T
    spread, sides = np.linalg.eigh(white @ white.T)
    chosen = [place for place in np.argsort(-spread)[:_DIMENSIONS] if spread[place] > 1e-7 * float(spread.max())]
    main = white.T @ sides[:, chosen] / np.sqrt(spread[chosen])
    projection = main / np.sqrt(floor) + directions @ (change[:, None] * (directions.T @ main))
    projection = np.ascontiguousarray(projection, dtype=np.float32)
    if len(chosen) == _DIMENSIONS:
        return Metric(mean, projection)
    basis, _ = np.linalg.qr(projection)
    return Metric(mean, projection, np.ascontiguousarray(basis, dtype=np.float32), floor)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What the examples near to each row say."""

    shares: Array
    """Of each class among the nearest, weighted by nearness; rows sum to 1."""
    nearest: Array
    """Likeness of the nearest example."""


def neighbours(
    examples: Array, labels: Labels, classes: int, rows: Array, *, count: int = 20, temperature: float = 0.05
) -> Neighbours:
    """The nearest of `examples` to each of `rows`; both are unit vectors."""
    count = min(count, len(examples))
    shares = np.zeros((len(rows), classes), dtype=np.float32)
    nearest = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        likeness = rows[start : start + _BLOCK] @ examples.T
        places = np.argpartition(likeness, -count, axis=1)[:, -count:]
        found = np.take_along_axis(likeness, places, axis=1)
        best = found.max(axis=1)
        force = np.exp((found - best[:, None]) / np.float32(temperature))
        block = shares[start : start + _BLOCK]
        np.add.at(block, (np.arange(len(places))[:, None], labels[places]), force)
        nearest[start : start + _BLOCK] = best
    shares /= shares.sum(axis=1, keepdims=True)
    return Neighbours(shares, nearest)
