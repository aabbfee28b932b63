"""Tells languages by groups of letters: naive Bayes over byte sequences, derived from the model of py3langid.

The model in `letters.npz` comes from py3langid, https://github.com/adbar/py3langid, BSD-3-Clause licence, copyright
Marco Lui and Adrien Barbaresi; `python -m benchmarks.eval.derive_language_model` makes it.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

_LONGEST_GROUP = 6
_SHORTEST_GROUP = 2


@dataclass(frozen=True, slots=True)
class _Model:
    languages: tuple[str, ...]
    groups: dict[bytes, int]
    weights: NDArray[np.int8]
    scale: float
    prior: NDArray[np.float32]


def rank(text: str) -> dict[str, float]:
    """Probability of each language for `text`; tempered so that short texts are not oversure. Empty for no letters."""
    model = _model()
    written = unicodedata.normalize("NFC", text.lower() if text.isupper() else text).encode("utf-8", "surrogatepass")
    counts = Counter(_groups(written, model.groups))
    if not counts:
        return {}
    rows = np.fromiter(counts.keys(), dtype=np.intp, count=len(counts))
    weight = np.log1p(np.fromiter(counts.values(), dtype=np.float32, count=len(counts)))
    scores = (weight @ model.weights[rows].astype(np.float32)) * model.scale + model.prior
    scores /= math.sqrt(len(written))
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    ranked: dict[str, float] = {}
    for language, share in zip(model.languages, shares.tolist(), strict=True):
        ranked[language] = ranked.get(language, 0.0) + share  # a language with two scripts stands there twice
    return ranked


def _groups(written: bytes, known: dict[bytes, int]) -> list[int]:
    """At each place the longest known group that ends there."""
    found = []
    for end in range(_SHORTEST_GROUP, len(written) + 1):
        for start in range(max(0, end - _LONGEST_GROUP), end - _SHORTEST_GROUP + 1):
            index = known.get(written[start:end])
            if index is not None:
                found.append(index)
                break
    return found


@lru_cache(maxsize=1)
def _model() -> _Model:
    """The model, loaded at first use: 0.1 s and 10 MB."""
    stored = np.load(BytesIO(resources.files(__package__).joinpath("letters.npz").read_bytes()))
    ends = np.cumsum(stored["lengths"].astype(np.int64)).tolist()
    written = stored["groups"].tobytes()
    groups = {written[start:end]: index for index, (start, end) in enumerate(zip([0, *ends], ends, strict=False))}
    return _Model(
        tuple(stored["languages"].tolist()), groups, stored["weights"], float(stored["scale"]), stored["prior"]
    )
