"""Tells languages by groups of letters: naive Bayes over byte sequences, derived from the model of py3langid.

The model in `letters.npz` comes from py3langid, https://github.com/adbar/py3langid, BSD-3-Clause licence, copyright
Marco Lui and Adrien Barbaresi; `python -m benchmarks.eval.derive_language_model` makes it.
"""

from __future__ import annotations

import math
import unicodedata
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
    """Groups in sorted arrays: a dictionary of them would take ten times the memory in every worker."""

    languages: tuple[str, ...]
    groups: NDArray[np.int64]
    """The groups as numbers, see `_longer`, in rising order."""
    rows: NDArray[np.intp]
    """Which row of the weights belongs to each of them."""
    weights: NDArray[np.int8]
    scale: float
    prior: NDArray[np.float32]


def rank(text: str) -> dict[str, float]:
    """Probability of each language for `text`; tempered so that short texts are not oversure. Empty for no letters."""
    model = _model()
    written = unicodedata.normalize("NFC", text.lower() if text.isupper() else text).encode("utf-8", "surrogatepass")
    groups, counts = np.unique(_groups(written, model.groups), return_counts=True)
    if not len(groups):
        return {}
    weight = np.log1p(counts.astype(np.float32))
    scores = (weight @ model.weights[model.rows[groups]].astype(np.float32)) * model.scale + model.prior
    scores /= math.sqrt(len(written))
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    ranked: dict[str, float] = {}
    for language, share in zip(model.languages, shares.tolist(), strict=True):
        ranked[language] = ranked.get(language, 0.0) + share  # a language with two scripts stands there twice
    return ranked


def _groups(written: bytes, known: NDArray[np.int64]) -> NDArray[np.intp]:
    """At each place the longest known group that ends there, as its place in `known`."""
    found = np.full(len(written), -1, dtype=np.intp)
    octets = np.frombuffer(written, dtype=np.uint8)
    numbers = np.ones(len(written) + 1, dtype=np.int64)
    for length in range(1, min(_LONGEST_GROUP, len(written)) + 1):
        numbers = _longer(numbers[:-1], octets[length - 1 :])
        if length >= _SHORTEST_GROUP:
            places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
            hits = known[places] == numbers
            found[length - 1 :][hits] = places[hits]
    return found[found >= 0]


def _longer(numbers: NDArray[np.int64], octets: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The numbers of groups that are one byte longer. That of no bytes is 1, so that leading zeros count as well."""
    return (numbers << 8) | octets


@lru_cache(maxsize=1)
def _model() -> _Model:
    """The model, loaded at first use: 0.05 s and 3 MB."""
    stored = np.load(BytesIO(resources.files(__package__).joinpath("letters.npz").read_bytes()))
    lengths, octets = stored["lengths"].astype(np.intp), stored["groups"]
    starts = np.cumsum(lengths) - lengths
    groups = np.ones(len(lengths), dtype=np.int64)
    for place in range(int(lengths.max())):
        reaching = lengths > place
        groups[reaching] = _longer(groups[reaching], octets[starts[reaching] + place])
    rows = np.argsort(groups)
    return _Model(
        tuple(stored["languages"].tolist()),
        groups[rows],
        rows,
        stored["weights"],
        float(stored["scale"]),
        stored["prior"],
    )
