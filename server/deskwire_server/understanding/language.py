"""Tells the language of a short text from its script, its everyday words and its letters. No model, no network."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from deskwire_server.understanding.language_data import EVERYDAY_WORDS, SCRIPTS, TELLING_LETTERS

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_NOISE = re.compile(r"`[^`]*`|https?://\S+|\S+@\S+|\S+\.\S+/\S*")
_SHARED_SCRIPT_SHARE = 0.3
_LETTER_WEIGHT = 0.6
_LONGEST_READ = 2_000
_USUAL_SHARE = 0.3
"""Share of a text that everyday words make up; fewer, and they may be there by chance."""
_SPANISH_MARKS = ("cuándo", "dónde")
"""What an opening question or exclamation mark is worth: no other language writes it."""


@dataclass(frozen=True, slots=True)
class Detected:
    """A language with how sure we are of it."""

    language: str
    """BCP 47 tag of the language alone, such as `de`. Empty when nothing speaks for any."""
    confidence: float
    """0 to 1."""


def detect(text: str) -> Detected:
    """The language of `text`. Code, addresses and links do not count; a text without words has none."""
    plain = _NOISE.sub(" ", text[:_LONGEST_READ])
    by_script = _by_script(plain)
    if by_script is not None:
        return by_script
    words = [word.lower().replace("’", "'") for word in _WORD.findall(plain)]
    if not words:
        return Detected("", 0.0)
    if "¿" in plain or "¡" in plain:
        words.extend(_SPANISH_MARKS)
    return _by_words(words)


def detect_language(text: str, *, default: str = "en", least: float = 0.5) -> str:
    """The language of `text`, or `default` where less than `least` confidence speaks for any."""
    detected = detect(text)
    return detected.language if detected.confidence >= least else default


def base_language(tag: str) -> str:
    """`de` of `de-AT`. Empty for an empty tag."""
    return re.split(r"[-_]", tag.strip().lower(), maxsplit=1)[0]


def _by_script(text: str) -> Detected | None:
    letters = Counter(_script_of(character) for character in text if character.isalpha())
    total = sum(letters.values())
    if not total:
        return None
    kana, han = letters["kana"], letters["han"]
    if (kana + han) / total > _SHARED_SCRIPT_SHARE:
        return Detected("ja" if kana * 8 > han else "zh", 0.95)
    script, count = letters.most_common(1)[0]
    if script == "latin" or count / total < _SHARED_SCRIPT_SHARE:
        return None
    candidates = SCRIPTS[script].languages
    if len(candidates) == 1:
        return Detected(candidates[0], 0.98)
    scores = _scores([word.lower() for word in _WORD.findall(text)], candidates)
    best = max(candidates, key=lambda language: (scores.get(language, 0.0), -candidates.index(language)))
    return Detected(best, 0.9 if scores.get(best) else 0.6)


@lru_cache(maxsize=4_096)
def _script_of(character: str) -> str:
    code = ord(character)
    for name, script in SCRIPTS.items():
        if any(first <= code <= last for first, last in script.ranges):
            return name
    return "latin"


def _by_words(words: list[str]) -> Detected:
    scores = _scores(words, tuple(EVERYDAY_WORDS))
    if not scores:
        return Detected("", 0.0)
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    best, score = ranked[0]
    runner_up = ranked[1][1] if len(ranked) > 1 else 0.0
    margin = (score - runner_up) / score
    weight = score / (score + 0.7)
    known = min(1.0, score / len(words) / _USUAL_SHARE)
    return Detected(best, round(weight * known * (0.4 + 0.6 * margin), 3))


def _scores(words: list[str], languages: tuple[str, ...]) -> dict[str, float]:
    """Evidence for each language: a word counts the more, the fewer of the languages share it."""
    scores: dict[str, float] = {}
    for word in words:
        owners = [language for language in languages if word in EVERYDAY_WORDS.get(language, frozenset())]
        for language in owners:
            scores[language] = scores.get(language, 0.0) + 1.0 / len(owners)
        for language in languages:
            telling = TELLING_LETTERS.get(language)
            if telling and any(letter in word for letter in telling):
                scores[language] = scores.get(language, 0.0) + _LETTER_WEIGHT
    return scores
