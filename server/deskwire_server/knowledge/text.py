"""Words of a text as search sees them: folded, parted, stemmed by language."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from deskwire_server.understanding.language import base_language

if TYPE_CHECKING:
    import snowballstemmer

_WORD = re.compile(r"[^\W_]+(?:[._][^\W_]+)*")
_PART = re.compile(r"[._]")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_MAX_TERM = 64
"""Longer runs of letters are cut: they are keys or encoded data, not words."""

_LANGUAGES = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "id": "indonesian", "it": "italian", "nl": "dutch", "no": "norwegian",
    "nb": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
_STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "again",
        "all",
        "also",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "being",
        "both",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "down",
        "during",
        "each",
        "ever",
        "few",
        "for",
        "from",
        "had",
        "has",
        "have",
        "having",
        "he",
        "her",
        "here",
        "hers",
        "him",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "just",
        "let",
        "may",
        "me",
        "might",
        "mine",
        "more",
        "most",
        "must",
        "my",
        "no",
        "nor",
        "not",
        "now",
        "of",
        "off",
        "on",
        "once",
        "only",
        "or",
        "other",
        "our",
        "ours",
        "out",
        "over",
        "own",
        "s",
        "same",
        "shall",
        "she",
        "should",
        "so",
        "some",
        "such",
        "t",
        "than",
        "that",
        "the",
        "their",
        "theirs",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "through",
        "to",
        "too",
        "under",
        "until",
        "up",
        "us",
        "very",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "yours",
    ]
)


def words(text: str) -> list[str]:
    """Folded words of `text`, in order. `vercel.json` gives itself and its parts; CJK text its pairs of signs."""
    found: list[str] = []
    for match in _WORD.finditer(_fold(text)):
        word = match.group()
        found.append(word[:_MAX_TERM])
        if "." in word or "_" in word:
            found.extend(part[:_MAX_TERM] for part in _PART.split(word))
        if not word.isascii() and _CJK.search(word):
            found.pop()
            for run in _CJK.findall(word):
                found.extend(run[index : index + 2] for index in range(max(1, len(run) - 1)))
    return found


def stems(text: str, language: str = "en") -> list[str]:
    """Stems of the words of `text` that carry meaning, in order. An unknown language is not stemmed."""
    return [stem(word, language) for word in words(text) if word not in _STOP_WORDS]


def stem(word: str, language: str = "en") -> str:
    """Stem of one folded word."""
    return _stem(word, _LANGUAGES.get(base_language(language), "") if language else "english")


def is_stop_word(word: str) -> bool:
    """Whether an English word carries no meaning of its own."""
    return word in _STOP_WORDS


@lru_cache(maxsize=100_000)
def _stem(word: str, algorithm: str) -> str:
    if not algorithm or not word.isalpha():
        return word
    stemmed: str = _stemmer(algorithm).stemWord(word)
    return stemmed or word


@lru_cache(maxsize=32)
def _stemmer(algorithm: str) -> snowballstemmer.stemmer:
    # Late: it loads the rules of every language it knows.
    import snowballstemmer

    return snowballstemmer.stemmer(algorithm)


def _fold(text: str) -> str:
    """Lower case without accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if not unicodedata.combining(char)))
