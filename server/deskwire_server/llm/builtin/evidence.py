"""How sure the provider may be that the passages hold the answer, and the line below which it says that it does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from deskwire_server.llm.builtin.question import Question
from deskwire_server.llm.builtin.scoring import Read, Scored
from deskwire_server.llm.builtin.terms import coverage
from deskwire_server.llm.port import Passage

_MOST_NAMES = 2
_NEAR = 0.3
"""Relevance from which an article counts as near."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for an answer, each 0 to 1. More of any of them never makes an answer less likely."""

    likeness: float
    """Cosine of the question with the likest unit; 0 without vectors."""
    relevance: float
    """The retrieval's own opinion of the best article."""
    lead: float
    """How far the best article's relevance is ahead of the next one's: a subject that is covered stands out."""
    words: float
    """Share of the question's word weight that occurs anywhere in the passages."""
    names: float
    """1 when the passages hold all names in the question, less for each that they lack: what is written about Slack
    does not answer a question about Discord."""
    open: float
    """0 when the question asks whether something exists: what is merely near answers it least of all."""
    held: float
    """Where the question asks whether something exists, share of its word weight that one passage holds; else 1."""
    known: float
    """Share of the weight of the question's words that occur anywhere in the tenant's articles."""
    near: float
    """0 where nothing relevant was found, 1 from a relevance of 0.3: far below it, little else counts."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A logistic model over the signs; `benchmarks.answers.abstention` fits the weights."""

    bias: float
    weights: Signs
    threshold: float
    """Confidence below which the provider declines."""
    hopeless: float
    """Confidence below which even the nearest articles are of no use."""

    def confidence(self, signs: Signs) -> float:
        """Probability that the passages hold the answer."""
        total = self.bias + sum(getattr(self.weights, sign.name) * getattr(signs, sign.name) for sign in fields(Signs))
        return 1.0 / (1.0 + math.exp(-total))

    def declines(self, confidence: float) -> bool:
        """Whether the evidence is too weak to answer from."""
        return confidence < self.threshold


WITH_VECTORS = Judge(
    bias=-8.11,
    weights=Signs(
        likeness=0.17, relevance=0.58, lead=1.91, words=0.68, names=3.12, open=0.58, held=1.59, known=2.16, near=1.47
    ),
    threshold=0.52,
    hopeless=0.08,
)
WITHOUT_VECTORS = Judge(
    bias=-3.23,
    weights=Signs(
        likeness=0.0, relevance=1.31, lead=0.0, words=1.45, names=1.94, open=1.16, held=0.0, known=0.0, near=0.0
    ),
    threshold=0.42,
    hopeless=0.15,
)
FOREIGN = Judge(
    bias=-1.25,
    weights=Signs(likeness=2.9, relevance=2.6, lead=0.0, words=0.0, names=0.0, open=0.0, held=0.0, known=0.0, near=0.0),
    threshold=0.48,
    hopeless=0.3,
)
"""For a question that is not in the passages' language: its words tell nothing, and cosines are lower."""


def judge_for(scored: Scored, *, foreign: bool) -> Judge:
    """The model for what is known."""
    if foreign:
        return FOREIGN
    return WITH_VECTORS if scored.has_vectors else WITHOUT_VECTORS


def signs_of(question: Question, read: Read, scored: Scored, passages: Sequence[Passage]) -> Signs:
    """The signs of one request that has passages."""
    best, second = _best_two(passages)
    terms = (*read.terms, *read.context_terms)
    anywhere = frozenset[str]().union(*read.passage_terms)
    return Signs(
        likeness=float(scored.likeness.max()) if scored.units else 0.0,
        relevance=best,
        lead=best - second,
        words=coverage(terms, anywhere, read.weights) if terms else 1.0,
        names=1.0 - min(_MOST_NAMES, len(read.absent_names)) / _MOST_NAMES,
        open=0.0 if question.asks_whether else 1.0,
        held=float(scored.passage_words.max(initial=0.0)) if question.asks_whether else 1.0,
        known=min(passage.known for passage in passages),
        near=min(1.0, best / _NEAR),
    )


def _best_two(passages: Sequence[Passage]) -> tuple[float, float]:
    """Relevance of the two best articles; 0 for a second one that there is not."""
    articles: dict[str, float] = {}
    for passage in passages:
        articles[passage.article_id] = max(passage.relevance, articles.get(passage.article_id, 0.0))
    best, second, *_ = (*sorted(articles.values(), reverse=True), 0.0, 0.0)
    return best, second
