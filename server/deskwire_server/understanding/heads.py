"""Small trained heads: logistic models over a message's features and, where there is one, its embedding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from deskwire_server.understanding.features import feature_names

EMBEDDER_DIMENSIONS = 384
"""The heads with an embedding belong to the local embedder; vectors of other lengths are not used."""
EMBEDDING_SCALE = 4.0
"""Brings the coordinates of a unit vector to the size of the other features."""

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """One trained model."""

    labels: tuple[str, ...]
    weights: Values
    """Shape (inputs + 1, labels), the last row is the bias."""

    def probabilities(self, values: Values) -> dict[str, float]:
        """Probability of each label."""
        scores = values @ self.weights[:-1] + self.weights[-1]
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        return dict(zip(self.labels, map(float, shares), strict=True))


def inputs(values: Values, vector: Values | None) -> Values:
    """What a head reads: the features, then the scaled embedding where the head was trained with one."""
    return values if vector is None else np.concatenate([values, EMBEDDING_SCALE * vector])


def probabilities(task: str, values: Values, vector: Values | None, *, is_foreign: bool = False) -> dict[str, float]:
    """Probability of each label of `task`; without a vector of the local embedder by features alone.

    `is_foreign` tells that the message is not in English: what words weigh is the same there, how sure they are is not.
    """
    if vector is not None and vector.shape != (EMBEDDER_DIMENSIONS,):
        vector = None
    heads = _heads()
    head = heads[f"{task}.words"] if vector is None else heads[f"{task}.full"]
    if vector is None and is_foreign:
        head = heads.get(f"{task}.foreign", head)
    return head.probabilities(inputs(values, vector))


@lru_cache(maxsize=1)
def _heads() -> dict[str, Head]:
    stored = np.load(BytesIO(resources.files(__package__).joinpath("heads.npz").read_bytes()))
    if tuple(stored["features"].tolist()) != feature_names():
        raise RuntimeError("heads.npz was trained for other features: run `python -m benchmarks.eval.train_heads`")
    names = {match[1] for key in stored.files if (match := re.fullmatch(r"(.+)\.weights", key))}
    return {
        name: Head(tuple(stored[f"{name}.labels"].tolist()), stored[f"{name}.weights"].astype(np.float32))
        for name in names
    }
