"""Words of a text as comparable terms: folded, stemmed in their language, common words told from telling ones."""

from __future__ import annotations

import math
import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from deskwire_server.llm.builtin.stopwords import FREQUENT_WORDS, STOP_WORDS

if TYPE_CHECKING:
    import snowballstemmer

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_STEMMERS = {
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nb": "norwegian",
    "nl": "dutch",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
_FREQUENT_WEIGHT = 0.35
_SHORTEST_FUZZY = 4
_LONG_WORD = 8

_lock = threading.Lock()
"""A stemmer keeps state while it stems, and scoring runs on worker threads."""


def words(text: str) -> list[str]:
    """Lower-case words and numbers of `text`, accents kept, possessives cut."""
    found = _TOKEN.findall(_CAMEL.sub(" ", unicodedata.normalize("NFKC", text)))
    return [_cut_possessive(word.lower().replace("’", "'")) for word in found]


def _cut_possessive(word: str) -> str:
    return word[:-2] if word.endswith("'s") else word


@lru_cache(maxsize=32_768)
def stem(word: str, language: str) -> str:
    """Stem of `word`; the word itself where the language has no stemmer."""
    name = _STEMMERS.get(language)
    if name is None or any(character.isdigit() for character in word):
        return word
    with _lock:
        stemmed: str = _stemmer(name).stemWord(word)
    return stemmed


@lru_cache(maxsize=len(_STEMMERS))
def _stemmer(name: str) -> snowballstemmer.stemmer:
    # Late: it loads the rules of every language it knows.
    import snowballstemmer

    return snowballstemmer.stemmer(name)


def is_stop_word(word: str, language: str) -> bool:
    """Whether `word` says nothing about the subject, in `language` or in English."""
    return word in STOP_WORDS.get(language, ()) or word in STOP_WORDS["en"]


def content_terms(text: str, language: str) -> list[str]:
    """Stems of the words of `text` that may say what it is about, in order, repeats kept."""
    return [
        stem(word, language)
        for word in words(text)
        if not is_stop_word(word, language) and (len(word) > 1 or word.isdigit())
    ]


def term_weights(terms: Iterable[str], documents: Sequence[frozenset[str]]) -> dict[str, float]:
    """How much each term tells: rarer among `documents` is more, a word of everyday English less."""
    total = len(documents)
    weights: dict[str, float] = {}
    for term in terms:
        frequency = sum(term in document for document in documents)
        weight = math.log(1 + (total + 1) / (frequency + 0.5))
        weights[term] = weight * (_FREQUENT_WEIGHT if term in _frequent_stems() else 1.0)
    return weights


@lru_cache(maxsize=1)
def _frequent_stems() -> frozenset[str]:
    return frozenset(stem(word, "en") for word in FREQUENT_WORDS)


def corrected(text: str, vocabulary: frozenset[str], language: str) -> str:
    """`text` with each word that is none of `vocabulary`, and no everyday word, set right where one is near enough."""
    replaced = text
    for word in dict.fromkeys(words(text)):
        if len(word) < _SHORTEST_FUZZY or not word.isalpha() or word in vocabulary or is_stop_word(word, language):
            continue
        if word in FREQUENT_WORDS or occurs(word, vocabulary, language):
            continue
        best = _nearest(word, vocabulary)
        if best is not None:
            replaced = re.sub(rf"\b{re.escape(word)}\b", best, replaced, flags=re.IGNORECASE)
    return replaced


def occurs(word: str, vocabulary: frozenset[str], language: str) -> bool:
    """Whether `vocabulary` holds `word` in any form."""
    return word in vocabulary or stem(word, language) in _stems_of(vocabulary, language)


@lru_cache(maxsize=16)
def _stems_of(vocabulary: frozenset[str], language: str) -> frozenset[str]:
    return frozenset(stem(word, language) for word in vocabulary)


def _nearest(term: str, vocabulary: frozenset[str]) -> str | None:
    from rapidfuzz.distance import OSA

    allowed = 2 if len(term) >= _LONG_WORD else 1
    candidates = [
        (distance, word)
        for word in vocabulary
        if abs(len(word) - len(term)) <= allowed
        and len(word) >= _SHORTEST_FUZZY
        and (distance := OSA.distance(term, word, score_cutoff=allowed)) <= allowed
        and (word[0] == term[0] or sorted(word) == sorted(term))
    ]
    return min(candidates)[1] if candidates else None


def coverage(terms: Iterable[str], present: frozenset[str], weights: Mapping[str, float]) -> float:
    """Share of the weight of `terms` that is `present`, 0 to 1."""
    wanted = {term: weights.get(term, 0.0) for term in terms}
    total = sum(wanted.values())
    return sum(weight for term, weight in wanted.items() if term in present) / total if total else 0.0
