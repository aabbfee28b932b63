"""Scores every unit of the passages against a question, from words, vectors, place and the kind of answer asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deskwire_server.embeddings.port import Match
from deskwire_server.llm.builtin.boilerplate import boilerplate
from deskwire_server.llm.builtin.question import Asks, Question, names_in
from deskwire_server.llm.builtin.terms import content_terms, corrected, coverage, occurs, term_weights, words
from deskwire_server.llm.builtin.text import Kind, Unit, units_of
from deskwire_server.llm.port import Passage

_CACHED_TEXTS = 16_384
_CONTEXT_SHARE = 0.35
"""Weight of a term that comes from the history."""

_FIGURE = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|free|unlimited|"
    r"none)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:minutes?|hours?|days?|weeks?|months?|years?|immediately|instantly|daily|weekly|monthly|yearly|"
    r"annual\w*|monday|"
    r"tuesday|wednesday|thursday|friday|saturday|sunday|once|twice|every|until|after|within|before|real-?time|"
    r"tage?n?|stunden?|"
    r"wochen?|monate?n?|jours?|heures?|semaines?|mois|d[ií]as?|horas?|meses|giorni|ore|dagen|uur|"
    r"maand\w*)\b",
    re.IGNORECASE,
)
_AFFIRMS = re.compile(
    r"\b(?:yes|no|not|can|can't|cannot|won't|don't|doesn't|never|only|automatically|possible|able|allow\w*|"
    r"support\w*|need|"
    r"required?|available|includ\w*|without|isn't|aren't|unable|must|always)\b",
    re.IGNORECASE,
)
_EXPLAINS = re.compile(
    r"\b(?:because|since|due to|caus\w*|reason\w*|therefore|why|means that|as a result|happens?|if|when|so that|"
    r"likely)\b",
    re.IGNORECASE,
)
_DEFINES = re.compile(
    r"\b(?:is|are|means?|refers? to|shows?|represents?|stands? for|lets? you|allows? "
    r"you)\b",
    re.IGNORECASE,
)
_PATH = re.compile(
    r"\*\*|→|>|\b(?:settings?|section|menu|tab|page|button|click|go to|open|top|left|right|"
    r"field)\b",
    re.IGNORECASE,
)
_VAGUE = re.compile(
    r"^(?:see|for more|for details|read|learn|check out|visit|note|here(?:'s| is| are)|below|following|in this|"
    r"this (?:guide|"
    r"page|article|section))\b|(?:below|following)[^.]{0,40}:?$|:$",
    re.IGNORECASE,
)
_EMPTY = re.compile(
    r"^(?:thanks?|thank you|congratulations|enjoy|welcome|p\.s\.?|that's it|that's all|done|good luck|great)\b"
    r"[^.!]{0,40}[.!]*$",
    re.IGNORECASE,
)
_FEWEST_WORDS = 4
_UNKNOWN_QUANTILE = 0.5
_MATCHED = 10
"""Units, the likest ones, in which a word of the question is looked for."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How the parts of a unit's score add up. Each part is 0 to 1."""

    words: float = 1.5
    context_words: float = 0.45
    likeness: float = 3.0
    passage_likeness: float = 0.4
    passage_rank: float = 0.8
    kind: float = 0.35
    place: float = 0.08
    vague: float = -0.6
    boilerplate: float = -2.0
    length: float = 0.12


@dataclass(frozen=True, slots=True)
class Scored:
    """The units of a request with all that is known of them. Rows of the arrays are units."""

    units: tuple[Unit, ...]
    scores: NDArray[np.float64]
    likeness: NDArray[np.float64]
    """Cosine with the question; zeros without vectors."""
    words: NDArray[np.float64]
    """Share of the question's word weight found in the unit."""
    passage_words: NDArray[np.float64]
    """For each passage, share of the question's word weight found in it, title and headings included."""
    has_vectors: bool
    relevance: tuple[float, ...]
    """For each passage, the retrieval's opinion of it, 0 to 1."""
    matched: Mapping[str, tuple[float, float]] | None = None
    """For each word of the question, cosine with the likest word of any embedded unit, and of the likest unit. None
    where the embedder compares no words."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """What the embedder made of a request."""

    vectors: Mapping[int, NDArray[np.float32]]
    """Of each unit of `texts_to_embed`, in that order."""
    question: NDArray[np.float32]
    match: Match | None = None
    """The words of the question beside those of the units, where the embedder compares them."""


@dataclass(frozen=True, slots=True)
class Read:
    """The passages cut into units, and the words of all."""

    units: tuple[Unit, ...]
    unit_terms: tuple[frozenset[str], ...]
    heading_terms: tuple[frozenset[str], ...]
    """For each unit, the words of its passage's title and headings."""
    passage_terms: tuple[frozenset[str], ...]
    weights: Mapping[str, float]
    terms: tuple[str, ...]
    """The question's, spelling corrected."""
    context_terms: tuple[str, ...]
    search_text: str
    """What to embed for the question, spelling corrected."""
    absent_names: tuple[str, ...]
    """Names in the question that occur in no passage."""


def read_passages(question: Question, passages: Sequence[Passage]) -> Read:
    """Cut `passages` into units and weigh the question's words against theirs. Pure CPU work."""
    units = tuple(unit for index, passage in enumerate(passages) for unit in units_of(passage, index))
    languages = tuple(dict.fromkeys(("en", question.language or "en")))
    stems = {unit: _stems(unit.text, languages) for unit in units}
    titles = [_stems(" ".join((passage.title, *passage.heading_path)), languages) for passage in passages]
    headings = tuple(titles[unit.passage] | _stems(unit.heading, languages) for unit in units)
    passage_terms = tuple(
        titles[index].union(*(stems[unit] for unit in units if unit.passage == index)) for index in range(len(passages))
    )
    vocabulary = _vocabulary(passages)
    searched = bool(passages) and passages[0].asked is not None
    # A search corrects by all that the tenant writes; these few passages would bend rare words into their own.
    text = question.text if searched else corrected(question.text, vocabulary, question.language)
    terms = tuple(dict.fromkeys(content_terms(text, question.language)))
    context_terms = tuple(term for term in question.context_terms if term not in terms)
    weights = dict(term_weights((*terms, *context_terms), passage_terms))
    for term in context_terms:
        weights[term] *= _CONTEXT_SHARE
    unit_terms = tuple(stems[unit] for unit in units)
    search_text = question.search_text.replace(question.text, text)
    names = names_in(text, question.language)
    absent = tuple(name for name in names if not occurs(name, vocabulary, question.language))
    return Read(units, unit_terms, headings, passage_terms, weights, terms, context_terms, search_text, absent)


def _vocabulary(passages: Sequence[Passage]) -> frozenset[str]:
    texts = (" ".join((passage.title, *passage.heading_path, passage.text)) for passage in passages)
    return frozenset(word for text in texts for word in words(text))


@lru_cache(maxsize=_CACHED_TEXTS)
def _stems(text: str, languages: tuple[str, ...]) -> frozenset[str]:
    """Stems in every language that matters: a German question may meet an English article."""
    return frozenset(term for language in languages for term in content_terms(text, language))


def texts_to_embed(read: Read, passages: Sequence[Passage], most: int) -> dict[int, str]:
    """Texts, by unit, whose vectors help most: the `most` units that words and rank favour, each with its title."""
    if len(read.units) <= most:
        chosen = list(range(len(read.units)))
    else:
        first = [
            coverage((*read.terms, *read.context_terms), read.unit_terms[row] | read.heading_terms[row], read.weights)
            + 1.0 / (1 + unit.passage)
            for row, unit in enumerate(read.units)
        ]
        chosen = sorted(sorted(range(len(first)), key=lambda row: -first[row])[:most])
    return {row: embedded_text(read.units[row], passages) for row in chosen if read.units[row].kind is not Kind.CODE}


def embedded_text(unit: Unit, passages: Sequence[Passage]) -> str:
    """What stands for `unit` in vector space: a bare sentence says too little of its subject."""
    passage = passages[unit.passage]
    heading = unit.heading or (passage.heading_path[-1] if passage.heading_path else "")
    return f"{passage.title}. {heading}: {_plain(unit.text)}" if heading else f"{passage.title}: {_plain(unit.text)}"


def _plain(text: str) -> str:
    return text.replace("**", "").replace("`", "")


def score(
    question: Question, passages: Sequence[Passage], read: Read, meanings: Meanings | None, weights: Weights = Weights()
) -> Scored:
    """Score every unit of `read`. Without `meanings` words decide."""
    all_terms = (*read.terms, *read.context_terms)
    count = len(read.units)
    shared = np.array([coverage(all_terms, terms, read.weights) for terms in read.unit_terms])
    around = np.array(
        [
            coverage(all_terms, terms | headings, read.weights)
            for terms, headings in zip(read.unit_terms, read.heading_terms, strict=True)
        ]
    )
    passage_words = np.array([coverage(all_terms, terms, read.weights) for terms in read.passage_terms])
    likeness = _likeness(count, meanings)
    best = _by_passage(read.units, likeness, len(passages))
    rank = np.array([1.0 / (1 + 0.5 * unit.passage) for unit in read.units])
    scores = (
        (
            weights.words * shared
            + weights.context_words * around
            + weights.likeness * likeness
            + weights.passage_likeness * np.array([best[unit.passage] for unit in read.units])
            + weights.passage_rank * rank
            + weights.kind * np.array([_fits(question, unit) for unit in read.units])
            + weights.place * np.array([1.0 / (1 + unit.order) for unit in read.units])
            + weights.vague * np.array([_vagueness(unit) for unit in read.units])
            + weights.boilerplate * boilerplate(question, read.units, passages)
            + weights.length * np.array([min(1.0, len(unit.text) / 120) for unit in read.units])
        )
        if count
        else np.zeros(0)
    )
    return Scored(
        read.units,
        scores,
        likeness,
        shared,
        passage_words,
        meanings is not None,
        tuple(passage.relevance for passage in passages),
        _matched(meanings),
    )


def _vagueness(unit: Unit) -> float:
    """How little a unit says by itself, 0 to 1: a question put to the reader, a pointer elsewhere, a bare name."""
    text = _plain(unit.text).strip()
    if text.endswith("?") or _EMPTY.match(text):
        return 1.0
    if unit.kind is not Kind.STEP and len(text.split()) < _FEWEST_WORDS:
        return 0.6
    return 0.3 if _VAGUE.search(text) else 0.0


def _matched(meanings: Meanings | None) -> dict[str, tuple[float, float]] | None:
    if meanings is None or meanings.match is None:
        return None
    nearest = np.argsort([-float(vector @ meanings.question) for vector in meanings.vectors.values()])[:_MATCHED]
    return {
        word: (float(row[nearest].max()), float(row[nearest[0]]))
        for word, row in zip(meanings.match.words, meanings.match.likeness, strict=True)
    }


def _likeness(count: int, meanings: Meanings | None) -> NDArray[np.float64]:
    """Cosine of each unit with the question. Units that were not embedded count as the median of the others."""
    if meanings is None or not meanings.vectors:
        return np.zeros(count)
    known = {row: max(0.0, float(vector @ meanings.question)) for row, vector in meanings.vectors.items()}
    usual = float(np.quantile(list(known.values()), _UNKNOWN_QUANTILE))
    return np.array([known.get(row, usual) for row in range(count)])


def _by_passage(units: Sequence[Unit], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    best = np.zeros(count)
    for unit, value in zip(units, values, strict=True):
        best[unit.passage] = max(best[unit.passage], value)
    return best


def gives_kind(question: Question, units: Sequence[Unit]) -> bool:
    """Whether any of `units` has an amount or a time where `question` asks for one; else true."""
    if Asks.AMOUNT in question.asks and not any(_FIGURE.search(unit.text) for unit in units):
        return False
    return Asks.TIME not in question.asks or any(_TIME.search(unit.text) for unit in units)


def _fits(question: Question, unit: Unit) -> float:
    """How well a unit's form suits what is asked, 0 to 1."""
    text, asks = unit.text, question.asks
    if unit.kind is Kind.CODE:
        return 1.0 if Asks.CODE in asks else -1.0
    fits = 0.0
    if Asks.STEPS in asks or Asks.PLACE in asks:
        fits += 0.6 if unit.kind is Kind.STEP else 0.0
        fits += 0.5 if _PATH.search(text) else 0.0
    if Asks.AMOUNT in asks and _FIGURE.search(text):
        fits += 0.8
    if Asks.TIME in asks and _TIME.search(text):
        fits += 0.8
    if Asks.YES_NO in asks and _AFFIRMS.search(text):
        fits += 0.5
    if Asks.REASON in asks and _EXPLAINS.search(text):
        fits += 0.6
    if Asks.MEANING in asks and _DEFINES.search(text):
        fits += 0.3
    if Asks.CODE in asks and "`" in text:
        fits += 0.5
    return min(1.0, fits)
