"""A classifier of messages into intents: learners, how they are mixed, and when it says that none fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deskwire_server.intents.heads import binary, mixing, parts, scope
from deskwire_server.intents.heads.binary import Wide
from deskwire_server.intents.heads.linear import Array, Labels
from deskwire_server.intents.heads.parts import Parts, Rows
from deskwire_server.intents.heads.scope import Judge

OUT_OF_SCOPE = "out_of_scope"
"""Intent of messages that fit no intent."""
_USUAL_TRUST = np.array([0.85, 0.0, 0.0])
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a head says of one message."""

    intent: str
    """`out_of_scope` where none fits."""
    confidence: float
    """0 to 1; of verdicts with this figure, such a share is right."""
    scores: tuple[tuple[str, float], ...]
    """Likely intents with their probabilities, the likeliest first."""
    in_scope: float
    """Chance that the message fits an intent at all."""


@dataclass(frozen=True, slots=True)
class Head:
    """Fitted, mixed and calibrated. Asked with the same kind of rows as it was fitted to."""

    names: tuple[str, ...]
    """Of the classes. `out_of_scope` may be one of them."""
    parts: Parts
    mixing: Array
    judge: Judge
    limit: float
    """Least chance of being in scope with which a message is taken."""
    trust: Wide
    """Weights of log-odds, chance of being in scope and constant, which make the confidence."""

    @property
    def needs_words(self) -> bool:
        """Whether rows must carry their words."""
        return self.parts.words is not None

    def classify(self, rows: Rows) -> list[Verdict]:
        """A verdict for each row."""
        said = self.parts.ask(rows)
        mixed = mixing.mix(self.mixing, said.logs)
        signs = scope.read(self.parts, said, mixed, rows.plain)
        return decide(self.names, mixed, self.judge.chances(signs), self.limit, self.trust)


def decide(names: Sequence[str], mixed: Array, in_scope: Wide, limit: float, trust: Wide) -> list[Verdict]:
    """Verdicts from probabilities and chances of being in scope."""
    confident = confidences(mixed, in_scope, trust)
    verdicts = []
    for logs, fits, sure in zip(mixed, in_scope, confident, strict=True):
        order = np.argsort(-logs)[:_MOST_SHOWN]
        scores = tuple((names[index], float(np.exp(logs[index]))) for index in order)
        refused = fits < limit or scores[0][0] == OUT_OF_SCOPE
        if not refused:
            verdicts.append(Verdict(scores[0][0], float(sure), scores, float(fits)))
            continue
        known = tuple((name, score * float(fits)) for name, score in scores if name != OUT_OF_SCOPE)
        named = next((score for name, score in scores if name == OUT_OF_SCOPE), 0.0)
        share = max(named, refusal_confidence(float(fits), limit))
        verdicts.append(Verdict(OUT_OF_SCOPE, share, ((OUT_OF_SCOPE, share), *known)[:_MOST_SHOWN], float(fits)))
    return verdicts


def refusal_confidence(fits: float, limit: float) -> float:
    """How sure a refusal is: a half at the limit, more below it."""
    return float(np.clip(1.0 - 0.5 * fits / max(limit, 1e-6), 0.5, 0.99))


def confidences(mixed: Array, in_scope: Wide, trust: Wide) -> Wide:
    """For each row the chance that its likeliest class is right."""
    return binary.sigmoid(trust_columns(mixed, in_scope) @ trust)


def trust_columns(mixed: Array, in_scope: Wide) -> Wide:
    """Log-odds of the likeliest class, log-odds of being in scope, and a constant."""
    best = np.clip(np.exp(mixed.max(axis=1)).astype(np.float64), 1e-6, 1 - 1e-6)
    fits = np.clip(in_scope, 1e-6, 1 - 1e-6)
    return np.stack([np.log(best / (1 - best)), np.log(fits / (1 - fits)), np.ones(len(best))], axis=1)


def fit_unmeasured(rows: Rows, labels: Labels, names: Sequence[str]) -> Head:
    """A head from few examples, mixed and calibrated as did well on other intents. Takes milliseconds."""
    fitted = parts.fit(rows, labels, len(names), few=True)
    weights = mixing.usual(len(parts.LEARNERS))
    return Head(tuple(names), fitted, weights, Judge.usual(), scope.USUAL_LIMIT, _USUAL_TRUST)


def usual_trust() -> Wide:
    """Weights of the confidence that did well where nothing can be measured."""
    return _USUAL_TRUST.copy()
