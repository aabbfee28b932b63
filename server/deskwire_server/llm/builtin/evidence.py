"""How sure the provider may be that the passages hold the answer, and the line below which it says that it does not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from deskwire_server.llm.builtin.question import Question
from deskwire_server.llm.builtin.scoring import Read, Scored, gives_kind
from deskwire_server.llm.builtin.terms import coverage, is_stop_word
from deskwire_server.llm.port import Asked, AskedWord, Passage

_MOST_NAMES = 2
_NEAR = 0.3
"""Relevance from which an article counts as near."""
_MANY_WORDS = 13
"""More words make a question no longer than twelve do."""
_NARRATING = (20, 32)
"""Words of a question from which on it narrates, and does little else."""
_FIRST = 6
"""Units of an answer that are looked at for an amount or a time."""
_LEAST_RARITY = 0.2
"""What the commonest word tells, against 1.2 of the rarest."""
_BESIDE = 0.3
"""Weight of a word outside the sentences that ask."""
_THEIRS = re.compile(
    r"\b(?:do|does|did|can|could|would|will|have) (?:you|it|they)\b|\b(?:is|are) there\b|\bhave you\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for an answer, most of them 0 to 1. More of any never makes an answer less likely."""

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
    long: float
    """Logarithm of the number of the question's words, 1 for twelve and more: the more it tells, the less of it must
    be found word by word."""
    theirs: float
    """0 when it asks what the provider of the product has or does, which no neighbouring subject answers."""
    kind: float
    """0 when it asks for an amount or a time and nothing to be quoted has one."""
    nearest: float
    """Cosine of the nearest passage."""
    ahead: float
    """How far the nearest passage stands out from all that was found."""
    alone: float
    """Whether one article fits and the others do not."""
    asked: float
    """Share of the weight of the words that ask which one passage holds."""
    complete: float
    """1 when the best article holds all telling words, less by the weight of the two weightiest that it lacks."""
    meant: float
    """How near the weightiest word that nothing resembles, in its context, comes to being met."""
    least: float
    """Likeness of the word that is met least."""
    likest: float
    """How well the likest unit meets the two weightiest words that it meets least."""
    brief: float
    """1 for a question of few words, 0 for a long one: in what that narrates much is met that it does not ask for."""


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


NO_SIGNS = Signs(*[0.0] * len(fields(Signs)))
WITH_WORDS = Judge(
    bias=-10.41,
    weights=replace(
        NO_SIGNS, likeness=0.47, lead=0.39, names=1.33, open=0.58, held=0.81, near=0.32, long=4.77, theirs=0.4,
        kind=0.82, nearest=0.21, ahead=0.66, alone=0.56, asked=0.44, complete=0.67, meant=0.56, least=2.06, likest=0.38,
        brief=1.02,
    ),
    threshold=0.57,
    hopeless=0.08,
)  # fmt: skip
"""Where the embedder compares single words."""
WITH_VECTORS = Judge(
    bias=-9.13,
    weights=replace(
        NO_SIGNS, likeness=1.24, lead=0.42, words=0.07, names=1.6, open=0.42, held=0.94, near=0.4, long=3.4,
        theirs=0.37, kind=0.7, nearest=0.63, ahead=0.63, alone=0.37, asked=0.46, complete=1.06, brief=1.11,
    ),
    threshold=0.54,
    hopeless=0.08,
)  # fmt: skip
WITHOUT_VECTORS = Judge(
    bias=-3.86,
    weights=replace(
        NO_SIGNS, relevance=0.08, words=0.16, names=0.98, open=0.28, held=0.62, long=2.2, theirs=0.28, kind=0.09,
        asked=0.58, complete=0.54,
    ),
    threshold=0.44,
    hopeless=0.15,
)  # fmt: skip
FOREIGN = Judge(bias=-1.25, weights=replace(NO_SIGNS, likeness=2.9, relevance=2.6), threshold=0.48, hopeless=0.3)
"""For a question that is not in the passages' language: its words tell nothing, and cosines are lower."""


def judge_for(scored: Scored, *, foreign: bool) -> Judge:
    """The model for what is known."""
    if foreign:
        return FOREIGN
    if scored.matched is not None:
        return WITH_WORDS
    return WITH_VECTORS if scored.has_vectors else WITHOUT_VECTORS


def signs_of(question: Question, read: Read, scored: Scored, passages: Sequence[Passage], rows: Sequence[int]) -> Signs:
    """The signs of one request that has passages, of which the units `rows` are to be quoted."""
    best, second = _best_two(passages)
    terms = (*read.terms, *read.context_terms)
    anywhere = frozenset[str]().union(*read.passage_terms)
    asked = passages[0].asked
    words = _telling(asked)
    meant, least, likest = _met(words, scored.matched or {})
    count = len(asked.words) if asked is not None else len(read.terms)
    begin, end = _NARRATING
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
        long=min(1.0, math.log(1 + count) / math.log(_MANY_WORDS)),
        theirs=0.0 if _THEIRS.search(asked.asking if asked is not None else question.text) else 1.0,
        kind=1.0 if gives_kind(question, [scored.units[row] for row in rows[:_FIRST]]) else 0.0,
        nearest=asked.nearest if asked is not None else 0.0,
        ahead=asked.ahead if asked is not None else 0.0,
        alone=asked.alone if asked is not None else 0.0,
        asked=asked.held if asked is not None else 1.0,
        complete=1.0 - sum(_weightiest(0.0 if word.held else _told(word) for word in words)),
        meant=meant,
        least=least,
        likest=likest,
        brief=min(1.0, max(0.0, (end - len(question.text.split())) / (end - begin))),
    )


def _telling(asked: Asked | None) -> tuple[AskedWord, ...]:
    return tuple(word for word in asked.words if not is_stop_word(word.word, "en")) if asked is not None else ()


def _told(word: AskedWord) -> float:
    """How much `word` tells of what is asked."""
    return word.weight * (_LEAST_RARITY + word.rarity) * (1.0 if word.asking else _BESIDE)


def _weightiest(weights: Iterable[float]) -> list[float]:
    return sorted(weights, reverse=True)[:2]


def _met(words: Sequence[AskedWord], matched: Mapping[str, tuple[float, float]]) -> tuple[float, float, float]:
    """`meant`, `least` and `likest` of the signs."""
    found = [
        (word.weight * (_LEAST_RARITY + word.rarity), *matched[word.word]) for word in words if word.word in matched
    ]
    if not found:
        return 0.5, 0.5, 0.5
    return (
        1.0 - max(weight * (1 - anywhere) for weight, anywhere, _ in found),
        min(anywhere for _, anywhere, _ in found),
        1.0 - sum(_weightiest(weight * (1 - near) for weight, _, near in found)),
    )


def _best_two(passages: Sequence[Passage]) -> tuple[float, float]:
    """Relevance of the two best articles; 0 for a second one that there is not."""
    articles: dict[str, float] = {}
    for passage in passages:
        articles[passage.article_id] = max(passage.relevance, articles.get(passage.article_id, 0.0))
    best, second, *_ = (*sorted(articles.values(), reverse=True), 0.0, 0.0)
    return best, second
