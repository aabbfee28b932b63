"""Turns a question into the English words that a glossary of support desks knows for it.

Word by word and without grammar: enough to find an English article, not to be read by people.
"""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from importlib.resources import files

from deskwire_server.knowledge.text import stem, words

LANGUAGES = ("de", "fr", "es", "it", "pt", "nl")
"""Languages of the glossary, in the order of its columns."""

_COMPOUNDING = frozenset({"de", "nl"})
_LEAST_PART = 4
_LONGEST_PHRASE = 3
_FUNCTION_WORD = 2
"""Words as short as this are seldom names."""
_LINKERS = ("", "s", "es", "n", "en")
_NEGATIONS = {
    "de": "nicht kein keine keinen", "fr": "pas aucun sans", "es": "no sin ningún", "it": "non senza nessun",
    "pt": "não sem nenhum", "nl": "niet geen zonder",
}  # fmt: skip


def in_english(question: str, language: str, known: Container[str]) -> str | None:
    """English words for `question`, in its order; None when its language is not in the glossary or no word is.

    Words that the glossary lacks are kept where the tenant writes them too (their stem is in `known`): names.
    """
    glossary = _glossary(language)
    if glossary is None:
        return None
    asked = words(question.replace("-", " "))
    found: list[str] = []
    hits = place = 0
    while place < len(asked):
        size, meant = _longest(asked, place, language, glossary)
        if meant is not None:
            hits += 1
            found.extend(meant.split())
        elif stem(asked[place]) in known and len(asked[place]) > _FUNCTION_WORD:
            found.append(asked[place])
        place += size
    return " ".join(dict.fromkeys(found)) if hits else None


def _longest(asked: list[str], place: int, language: str, glossary: dict[str, str]) -> tuple[int, str | None]:
    """How many words at `place` the longest phrase of the glossary takes, and what it means."""
    for size in range(min(_LONGEST_PHRASE, len(asked) - place), 1, -1):
        meant = glossary.get(" ".join(stem(word, language) for word in asked[place : place + size]))
        if meant is not None:
            return size, meant
    return 1, _meaning(asked[place], language, glossary)


def _meaning(word: str, language: str, glossary: dict[str, str]) -> str | None:
    meant = glossary.get(stem(word, language))
    if meant is None and language in _COMPOUNDING:
        return _of_compound(word, language, glossary)
    return meant


def _of_compound(word: str, language: str, glossary: dict[str, str]) -> str | None:
    """Meaning of a compound of two known words (`Rechnungsadresse`), the second one as long as it can be."""
    for place in range(_LEAST_PART, len(word) - _LEAST_PART + 1):
        last = glossary.get(stem(word[place:], language))
        if last is None:
            continue
        for linker in _LINKERS:
            first = word[:place].removesuffix(linker) if linker else word[:place]
            meant = glossary.get(stem(first, language))
            if meant is not None:
                return f"{meant} {last}"
    return None


@lru_cache(maxsize=len(LANGUAGES))
def _glossary(language: str) -> dict[str, str] | None:
    """Stems of `language` with their English words."""
    if language not in LANGUAGES:
        return None
    column = LANGUAGES.index(language) + 1
    meanings: dict[str, str] = {}
    for negation in _NEGATIONS[language].split():
        meanings[_key(negation, language)] = "not"
    for line in files(__package__).joinpath("glossary.csv").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        cells = line.split("|")
        for alternative in cells[column].split():
            meanings.setdefault(_key(alternative, language), cells[0])
    return meanings


def _key(phrase: str, language: str) -> str:
    return " ".join(stem(word, language) for word in words(phrase.replace("_", " ").replace("-", " ")))
