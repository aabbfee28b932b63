"""Says what a search made of its question: how telling each word is, where it occurs, and what stands out. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from deskwire_server.knowledge.question import Form, Question
from deskwire_server.knowledge.ranking import Ranked, word_weights
from deskwire_server.knowledge.search_store import Candidate
from deskwire_server.knowledge.spelling import rarity
from deskwire_server.knowledge.text import stems
from deskwire_server.llm.port import Asked, AskedWord

_SENTENCE_GAP = re.compile(r"(?<=[.!?])\s+(?=\S)")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_ASKS = re.compile(
    r"^\W*(?:(?:and|but|so|also)\s+)?(?:how|what|where|which|who|when|why|can|could|do|does|is|are|will|would|may|must|"
    r"should|any)\b",
    re.IGNORECASE,
)
_SHARPNESS = 8.0
"""How much a difference of an article's score counts where it is told whether one fits alone."""
_LEAST_SPREAD = 0.02


def asked(question: Question, form: Form, candidates: Sequence[Candidate], ranked: Ranked) -> Asked:
    """What the search for `form` of `question` made of it. `ranked` are its `candidates`."""
    weights, _ = word_weights(form.terms, question.occurrences, question.corpus)
    best = max(ranked.articles, key=lambda key: (ranked.articles[key], key), default=None)
    held = {term for candidate in candidates if candidate.article_id == best for term in candidate.frequencies}
    languages = question.corpus.languages or ("",)
    asking = " ".join(asking_sentences(form.text))
    inside = frozenset(term for language in languages for term in stems(asking, language))
    # What the rarest word that there could be weighs: the same word tells the same in a small corpus and a large one.
    most = math.log(1 + (question.corpus.chunks + 0.5) / 0.5)
    words = tuple(
        AskedWord(
            word, weights[term] / most, rarity(word), term in inside,
            question.occurrences.get(term, 0) > 0, term in held,
        )
        for term, word in _words(form.text, weights, languages).items()
    )  # fmt: skip
    cosines = np.array([candidate.cosine or 0.0 for candidate in candidates] or [0.0])
    return Asked(
        question.text,
        asking,
        words,
        held=_held(candidates, {term: weight for term, weight in weights.items() if term in inside} or weights),
        nearest=float(cosines.max()),
        ahead=float((cosines.max() - cosines.mean()) / (cosines.std() + _LEAST_SPREAD)),
        alone=_alone(list(ranked.articles.values())),
    )


def asking_sentences(text: str) -> list[str]:
    """Sentences of `text` that ask, or all where none does: what stands before them tells of circumstances."""
    sentences = _SENTENCE_GAP.split(text)
    return [one for one in sentences if one.rstrip().endswith("?") or _ASKS.match(one)] or sentences


def _words(text: str, weights: Mapping[str, float], languages: Sequence[str]) -> dict[str, str]:
    """The word of `text` that each term stands for; of the stems of one word, by languages, the first one known."""
    found: dict[str, str] = {}
    for match in _WORD.finditer(text.lower()):
        own = [term for language in languages for term in stems(match.group(), language) if term in weights]
        if own and match.group() not in found.values():
            found.setdefault(min(own, key=weights.__getitem__), match.group())
    return found


def _held(candidates: Sequence[Candidate], weights: Mapping[str, float]) -> float:
    total = sum(weights.values())
    most = max((sum(weights.get(term, 0.0) for term in one.frequencies) for one in candidates), default=0.0)
    return most / total if total else 1.0


def _alone(scores: Sequence[float]) -> float:
    if not scores:
        return 0.0
    shares = np.exp(_SHARPNESS * (np.array(scores) - max(scores)))
    return float((shares**2).sum() / shares.sum() ** 2)
