"""The learners of a head, each of which gives its own view of which intent a message has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deskwire_server.intents.heads import kernel, lexical, linear, metric
from deskwire_server.intents.heads.linear import Array, Labels
from deskwire_server.intents.heads.metric import Metric

LEARNERS = ("wide", "near", "plain", "words", "near_plain", "kernel")
"""Names of the learners, in the order of the mixing weights."""
FEW_EXAMPLES = 3_000
"""Up to here all learners take part; above it the first two do: more would cost time and add nothing."""
_LOW, _LOW_FEW = np.float32(1e-3), np.float32(1e-2)
"""What the nearest examples grant to an intent that is not among them."""
_STRENGTH_WIDE, _STRENGTH_PLAIN, _STRENGTH_WORDS = 25.0, 30.0, 20.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts as a head sees them."""

    wide: Array
    """Unit vectors of several layers side by side, or of the embedder alone; the embedder's own stands at the end."""
    plain_size: int
    """Dimensions of the embedder's own vector."""
    words: Array | None = None
    """Counts of `lexical.count`, where they are needed."""

    @classmethod
    def of(cls, wide: Array, plain_size: int, texts: Sequence[str] | None) -> Rows:
        """Rows of vectors, with the words of `texts` where they are given."""
        return cls(wide, plain_size, lexical.count(texts) if texts is not None else None)

    @property
    def plain(self) -> Array:
        """The embedder's own vectors."""
        own: Array = self.wide[:, -self.plain_size :]
        return own

    def __len__(self) -> int:
        return len(self.wide)

    def take(self, chosen: np.ndarray) -> Rows:
        """The chosen rows."""
        return Rows(self.wide[chosen], self.plain_size, None if self.words is None else self.words[chosen])


@dataclass(frozen=True, slots=True)
class Opinions:
    """What the learners say of some rows."""

    logs: Array
    """Shape (learners, rows, classes): logarithms of probabilities."""
    scores: Array
    """Scores of the wide learner before they become probabilities."""
    near: Array
    """The rows in the space of the metric."""
    nearest: Array
    """Likeness of the nearest example in that space."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Learners fitted to examples, not yet mixed or calibrated."""

    classes: int
    wide: Array
    metric: Metric
    examples: Array
    """The examples in the space of the metric."""
    labels: Labels
    means: Array
    """Unit mean of each class in that space."""
    plain: Array | None = None
    plain_examples: Array | None = None
    words: Array | None = None
    rarity: Array | None = None
    kernel: Array | None = None

    @property
    def learners(self) -> int:
        """How many learners take part, from the first one on. Heads of before have no kernel."""
        if self.plain is None:
            return 2
        return len(LEARNERS) - (self.kernel is None)

    def ask(self, rows: Rows) -> Opinions:
        """What each learner says of `rows`."""
        scores = linear.scores(self.wide, rows.wide)
        moved = self.metric.apply(rows.wide)
        close = metric.neighbours(self.examples, self.labels, self.classes, moved)
        logs = [linear.log_softmax(scores), np.log(close.shares + _LOW)]
        if self.plain is not None and self.plain_examples is not None:
            plain = metric.neighbours(self.plain_examples, self.labels, self.classes, rows.plain)
            logs += [
                linear.log_softmax(linear.scores(self.plain, rows.plain)),
                self._by_words(rows),
                np.log(plain.shares + _LOW_FEW),
            ]
            if self.kernel is not None:
                logs.append(linear.log_softmax(kernel.scores(self.kernel, self.plain_examples, rows.plain)))
        return Opinions(np.stack(logs), scores, moved, close.nearest)

    def _by_words(self, rows: Rows) -> Array:
        if self.words is None or self.rarity is None or rows.words is None:
            return np.full((len(rows), self.classes), -np.log(self.classes), dtype=np.float32)
        return linear.log_softmax(linear.scores(self.words, lexical.weigh(rows.words, self.rarity)))


def fit(rows: Rows, labels: Labels, classes: int, *, few: bool) -> Parts:
    """Fit the learners to labelled rows; with `few` all of them."""
    space = metric.fit(rows.wide, labels, classes)
    near = space.apply(rows.wide)
    means = np.zeros((classes, near.shape[1]), dtype=np.float32)
    np.add.at(means, labels, near)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.float32(1e-9))
    wide = linear.fit(rows.wide, labels, classes, strength=_STRENGTH_WIDE)
    if not few:
        return Parts(classes, wide, space, near, labels, means)
    plain = linear.fit(rows.plain, labels, classes, strength=_STRENGTH_PLAIN)
    words = rarity = None
    if rows.words is not None:
        rarity = lexical.rarity(rows.words)
        weighed = lexical.weigh(rows.words, rarity)
        words = linear.fit(weighed, labels, classes, strength=_STRENGTH_WORDS, iterations=50)
    say = kernel.fit(rows.plain, labels, classes)
    return Parts(classes, wide, space, near, labels, means, plain, rows.plain, words, rarity, say)
