"""Finds the telling words and phrases of a message: what they are is in `lexicon.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from deskwire_server.understanding.wordlists import word_set

_TOKEN = re.compile(
    r"[^\W_]+(?:['’.\-/][^\W_]+)*|!{2,}|\?{2,}|[:;][-']?[()D]|\^\^|<3|[\u2600-\u27bf\U0001f300-\U0001faff]"
)
_NEGATIONS = word_set(
    "not no never n't cannot can't cant don't dont doesn't doesnt didn't didnt isn't isnt wasn't aren't "
    "won't wont without hardly nothing none "
    "neither nor nicht kein keine keinen nie niemals pas jamais ni sin nunca não nem non mai niet geen nie "
    "nigdy не нет нет ни inte ikke ei"
)
_NEGATION_REACH = 3
_LONGEST_READ = 4_000
"""Code points of a message that are read; what is behind them adds nothing to how it sounds."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A telling word or phrase in a message."""

    category: str
    text: str
    start: int
    negated: bool


@dataclass(frozen=True, slots=True)
class _Lexicon:
    categories: tuple[str, ...]
    words: dict[str, tuple[str, ...]]
    stems: dict[str, tuple[str, ...]]
    shortest_stem: int
    longest_stem: int
    phrases: re.Pattern[str]
    phrase_categories: dict[str, tuple[str, ...]]


def categories() -> tuple[str, ...]:
    """Names of the categories, in a stable order."""
    return _lexicon().categories


def tokens(text: str) -> list[tuple[str, int]]:
    """Words and marks of `text` in lower case with their places."""
    return [(match[0].lower().replace("’", "'"), match.start()) for match in _TOKEN.finditer(text[:_LONGEST_READ])]


def find(text: str, words: list[tuple[str, int]] | None = None) -> Iterator[Hit]:
    """Telling words and phrases of `text`; `words` are its `tokens` where they are at hand."""
    lexicon = _lexicon()
    found = words if words is not None else tokens(text)
    reach = 0
    for word, start in found:
        for category in _of_word(word):
            yield Hit(category, word, start, negated=reach > 0)
        reach = _NEGATION_REACH if word in _NEGATIONS or word.endswith("n't") else reach - 1
    plain = text[:_LONGEST_READ].lower().replace("’", "'")
    for match in lexicon.phrases.finditer(plain):
        for category in lexicon.phrase_categories[match[0]]:
            yield Hit(category, match[0], match.start(), negated=False)


def valences(words: list[tuple[str, int]]) -> list[float]:
    """Valence, from -4 to 4, of each English word that has one; a negation before it turns and halves it."""
    known = _valence()
    found = []
    reach = 0
    for word, _ in words:
        value = known.get(word)
        if value is not None:
            found.append(-0.5 * value if reach > 0 else value)
        reach = _NEGATION_REACH if word in _NEGATIONS or word.endswith("n't") else reach - 1
    return found


@lru_cache(maxsize=1)
def _valence() -> dict[str, float]:
    values: dict[str, float] = {}
    for line in resources.files(__package__).joinpath("valence.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            value, *words = line.split()
            values |= dict.fromkeys(words, float(value))
    return values


@lru_cache(maxsize=8_192)
def _of_word(word: str) -> tuple[str, ...]:
    lexicon = _lexicon()
    exact = lexicon.words.get(word, ())
    for length in range(min(len(word), lexicon.longest_stem), lexicon.shortest_stem - 1, -1):
        stemmed = lexicon.stems.get(word[:length])
        if stemmed:
            return tuple(dict.fromkeys((*exact, *stemmed)))
    return exact


@lru_cache(maxsize=1)
def _lexicon() -> _Lexicon:
    data = tomllib.loads(resources.files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))
    words: dict[str, list[str]] = {}
    stems: dict[str, list[str]] = {}
    phrases: dict[str, list[str]] = {}
    for category, entry in data.items():
        for word in entry.get("words", "").split():
            stem = len(word) > 1 and word.endswith("*")
            (stems if stem else words).setdefault(word.rstrip("*") if stem else word, []).append(category)
        for phrase in entry.get("phrases", ()):
            phrases.setdefault(phrase, []).append(category)
    alternatives = "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
    return _Lexicon(
        tuple(data),
        {word: tuple(dict.fromkeys(owners)) for word, owners in words.items()},
        {stem: tuple(dict.fromkeys(owners)) for stem, owners in stems.items()},
        min(map(len, stems)),
        max(map(len, stems)),
        re.compile(rf"(?<![^\W_])(?:{alternatives})(?![^\W_])"),
        {phrase: tuple(dict.fromkeys(owners)) for phrase, owners in phrases.items()},
    )
