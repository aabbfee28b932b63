"""Tells messages that fit no intent, by several signs weighed together."""

from __future__ import annotations

import numpy as np

from deskwire_server.intents.heads import binary, linear
from deskwire_server.intents.heads.binary import Wide
from deskwire_server.intents.heads.linear import Array
from deskwire_server.intents.heads.parts import Opinions, Parts

SIGNS = 9
_CLOSEST = 3
_PULL = 2.0
_BEFORE = np.array([1.0, 1.0])
_LEAST_SLOPE = 0.1
"""Of the chance along the direction: being more like the known never makes a message less likely to fit."""
_USUAL_MIDDLE = np.array([-0.191, -0.618, 2.146, 5.2, 0.623, 0.555, 0.589, 0.726, 0.656])
_USUAL_SCALE = np.array([0.301, 0.558, 1.171, 1.706, 0.175, 0.172, 0.187, 0.14, 0.143])
_USUAL_WEIGHTS = np.array([0.0, 0.2, 0.0, 0.2, 0.3, 0.0, 0.6, 0.7, 0.0, 0.4])
_DIRECTION = np.array([0.7, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0])
"""How signs count against each other. Weights learned from intents that were held back find what lies between known
intents, and miss what lies apart from all of them."""
USUAL_LIMIT = 0.02
"""Chance of being in scope below which a message is refused where nothing could be measured."""


class Judge:
    """The chance that a message fits one of the intents."""

    def __init__(self, middle: Wide, scale: Wide, weights: Wide) -> None:
        """Signs are centred by `middle` and divided by `scale`; `weights` has the constant at its end."""
        self.middle, self.scale, self.weights = middle, scale, weights

    @classmethod
    def usual(cls) -> Judge:
        """What did well on other intents."""
        return cls(_USUAL_MIDDLE, _USUAL_SCALE, _USUAL_WEIGHTS)

    @classmethod
    def fit(cls, signs: Wide, fits: Wide) -> Judge:
        """Learn from signs of messages of known and of unknown intents, each side of equal weight."""
        known = signs[fits > 0]
        middle, scale = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-3)
        along = (signs - middle) / scale @ _DIRECTION
        width = max(float(along[fits > 0].std()), 1e-3)
        share = np.where(fits > 0, 0.5 / max(1.0, float(fits.sum())), 0.5 / max(1.0, float((1 - fits).sum())))
        slope, constant = binary.fit(along[:, None] / width, fits, _BEFORE, pull=_PULL, weights=share * len(fits))
        return cls(middle, scale, np.append(_DIRECTION * max(slope, _LEAST_SLOPE) / width, constant))

    def chances(self, signs: Wide) -> Wide:
        """For each row of signs the chance of being in scope."""
        return binary.sigmoid(binary.with_constant((signs - self.middle) / self.scale) @ self.weights)


def read(parts: Parts, said: Opinions, mixed: Array, rows_plain: Array) -> Wide:
    """The signs of some rows; `mixed` are the logarithms of their probabilities."""
    choice = mixed.argmax(axis=1)
    likeness = said.near @ parts.examples.T
    own = _own(likeness, parts, choice)
    near = np.sort(np.partition(likeness, -min(5, likeness.shape[1]), axis=1)[:, -5:], axis=1)
    plain_own, plain_nearest = own, near[:, -1]
    if parts.plain_examples is not None:
        plain_likeness = rows_plain @ parts.plain_examples.T
        plain_own, plain_nearest = _own(plain_likeness, parts, choice), plain_likeness.max(axis=1)
    largest = said.scores.max(axis=1)
    energy = largest + np.log(np.exp(said.scores - largest[:, None]).sum(axis=1))
    usual = np.log(parts.classes)
    return np.stack(
        [
            mixed.max(axis=1),
            linear.log_softmax(said.scores).max(axis=1),
            energy - usual,
            largest - np.median(said.scores, axis=1),
            near[:, -1],
            own,
            (said.near * parts.means[choice]).sum(axis=1),
            plain_nearest,
            plain_own,
        ],
        axis=1,
    ).astype(np.float64)


def _own(likeness: Array, parts: Parts, choice: np.ndarray) -> Array:
    """Mean likeness of the nearest examples of the class that was chosen."""
    masked = np.where(parts.labels[None, :] == choice[:, None], likeness, np.float32(-1))
    count = min(_CLOSEST, masked.shape[1])
    best = np.partition(masked, -count, axis=1)[:, -count:]
    kept = best > -1
    result: Array = np.where(kept, best, 0).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
    return result
