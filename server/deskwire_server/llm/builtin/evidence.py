"""How sure the provider may be that the passages hold the answer, and the line below which it says that it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deskwire_server.llm.builtin.scoring import Scored


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for an answer, each 0 to 1."""

    likeness: float
    """Cosine of the question with the likest unit; 0 without vectors."""
    relevance: float
    """The retrieval's own opinion of the best passage."""
    words: float
    """Share of the question's word weight in the best unit."""
    passage_words: float
    """Share of it in the best passage."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A logistic model over the signs."""

    bias: float
    likeness: float
    relevance: float
    words: float
    passage_words: float
    threshold: float
    """Confidence below which the provider declines."""
    foreign_threshold: float
    """The same for a question that is not in the passages' language: signs are weaker across languages."""
    hopeless: float
    """Confidence below which even the nearest articles are of no use."""

    def confidence(self, signs: Signs) -> float:
        """Probability that the passages hold the answer."""
        total = (
            self.bias
            + self.likeness * signs.likeness
            + self.relevance * signs.relevance
            + self.words * signs.words
            + self.passage_words * signs.passage_words
        )
        return 1.0 / (1.0 + math.exp(-total))

    def declines(self, confidence: float, *, foreign: bool) -> bool:
        """Whether the evidence is too weak to answer from."""
        return confidence < (self.foreign_threshold if foreign else self.threshold)


WITH_VECTORS = Judge(
    bias=-1.25, likeness=2.9, relevance=2.6, words=0.0, passage_words=0.0,
    threshold=0.57, foreign_threshold=0.31, hopeless=0.47,
)
"""Fitted on questions with and without an answer in a help centre; words told nothing that the other two did not."""

WITHOUT_VECTORS = Judge(
    bias=-1.2, likeness=0.0, relevance=1.5, words=1.5, passage_words=2.5,
    threshold=0.38, foreign_threshold=0.38, hopeless=0.28,
)
"""Words alone tell little: the line is low, so that what search found is shown rather than withheld."""


def signs_of(scored: Scored, relevance: float) -> Signs:
    """The signs of one request."""
    if not scored.units:
        return Signs(0.0, relevance, 0.0, 0.0)
    return Signs(
        likeness=float(scored.likeness.max()), relevance=relevance, words=float(scored.words.max()),
        passage_words=float(scored.passage_words.max()),
    )


def judge_for(scored: Scored) -> Judge:
    """The model for what is known: with vectors or without."""
    return WITH_VECTORS if scored.has_vectors else WITHOUT_VECTORS
