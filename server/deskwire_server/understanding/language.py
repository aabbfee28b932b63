"""Tells the language of a short text: by its script, else by a small model of letter groups and by everyday words."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from deskwire_server.understanding import letters
from deskwire_server.understanding.language_data import EVERYDAY_WORDS, SCRIPTS, TELLING_LETTERS

_WORD = re.compile(r"[^\W\d_]+(?:['’·][^\W\d_]+)?")
_NOISE = re.compile(
    r"`[^`]*`|https?://\S+|[\w.+-]{1,64}@[\w.-]+|(?<![\w.-])[\w-]{1,60}(?:\.[\w-]{1,60}){1,5}/\S*"
    r"|(?<![A-Za-z0-9_])[A-Za-z]{0,60}[0-9_][A-Za-z0-9_]*"
)
_SHARED_SCRIPT_SHARE = 0.3
_LETTER_WEIGHT = 0.6
_LONGEST_READ = 2_000
_SPANISH_MARKS = ("cuándo", "dónde")
"""What an opening question or exclamation mark is worth: no other language writes it."""
_FURTHER = ("sq", "eu", "is", "ga", "cy", "az")
"""Languages that the model knows and of which there are no everyday words here."""
_RARE = {  # what speaks against a language before anything is read, in logarithms
         "af": 1.5, "ms": 1.2, "mr": 0.7, "ca": 0.3, "sk": 0.2, "sr": 0.2, "hr": 0.2, "sl": 0.5, "lv": 0.3, "lt": 0.3,
         "et": 0.4, "tl": 0.3, "sw": 0.4, "bg": 0.2, "da": 0.1, "nb": 0.1, "ro": 0.1, "id": 0.1,
         "en": -0.3}  # fmt: skip
_FURTHER_RARITY = 1.6
_WORD_WEIGHT = 5.0
_MODEL_WEIGHT = 1.0
_MODEL_FLOOR = 1e-4
_SURE_WORDS = 0.4
"""How much evidence a text without any everyday word still is, at most."""


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
    words = [word.lower().replace("’", "'") for word in _WORD.findall(plain)]
    if not words:
        return Detected("", 0.0)
    candidates = _candidates(plain)
    if len(candidates) == 1:
        return Detected(candidates[0], 0.98)
    if "¿" in plain or "¡" in plain:
        words.extend(_SPANISH_MARKS)
    return _ranked(" ".join(words), words, candidates)


def detect_language(text: str, *, default: str = "en", least: float = 0.5) -> str:
    """The language of `text`, or `default` where less than `least` confidence speaks for any."""
    detected = detect(text)
    return detected.language if detected.confidence >= least else default


def base_language(tag: str) -> str:
    """`de` of `de-AT`. Empty for an empty tag."""
    return re.split(r"[-_]", tag.strip().lower(), maxsplit=1)[0]


def _candidates(text: str) -> tuple[str, ...]:
    """Languages of the script that most of `text` is written in; none where it is Latin."""
    counted = Counter(_script_of(character) for character in text if character.isalpha())
    total = sum(counted.values())
    kana, han = counted["kana"], counted["han"]
    if (kana + han) / total > _SHARED_SCRIPT_SHARE:
        return ("ja",) if kana * 8 > han else ("zh",)
    script, count = counted.most_common(1)[0]
    if script == "latin" or count / total < _SHARED_SCRIPT_SHARE:
        return ()
    return SCRIPTS[script].languages


@lru_cache(maxsize=4_096)
def _script_of(character: str) -> str:
    code = ord(character)
    for name, script in SCRIPTS.items():
        if any(first <= code <= last for first, last in script.ranges):
            return name
    return "latin"


def _ranked(text: str, words: list[str], candidates: tuple[str, ...]) -> Detected:
    languages = candidates or _LATIN
    by_words = _scores(words, languages)
    by_model = letters.rank(text)
    evidence = {}
    for language in languages:
        likely = math.log(by_model.get(language, 0.0) + _MODEL_FLOOR)
        rarity = _RARE.get(language, _FURTHER_RARITY if language in _FURTHER else 0.0)
        evidence[language] = _MODEL_WEIGHT * likely + _WORD_WEIGHT * by_words.get(language, 0.0) / len(words) - rarity
    best = max(evidence, key=evidence.__getitem__)
    share = 1.0 / sum(math.exp(value - evidence[best]) for value in evidence.values())
    score = by_words.get(best, 0.0)
    grounds = max(_SURE_WORDS * min(1.0, len(words) / 6), score / (score + 0.35))
    return Detected(best, round(share * grounds, 3))


def _scores(words: list[str], languages: tuple[str, ...]) -> dict[str, float]:
    """Evidence for each language: a word counts the more, the fewer of the languages share it."""
    scores: dict[str, float] = {}
    for word in words:
        owners = [language for language in _owners(word) if language in languages]
        for language in owners:
            scores[language] = scores.get(language, 0.0) + 1.0 / len(owners)
    return scores


@lru_cache(maxsize=8_192)
def _owners(word: str) -> tuple[str, ...]:
    """Languages that `word` or a letter of it speaks for."""
    owners = [language for language, known in EVERYDAY_WORDS.items() if word in known]
    owners.extend(
        language
        for language, telling in TELLING_LETTERS.items()
        if language not in owners and any(letter in word for letter in telling)
    )
    return tuple(owners)


_OTHER_SCRIPTS = frozenset(language for script in SCRIPTS.values() for language in script.languages)
_SHARED_SCRIPTS = frozenset(
    language for script in SCRIPTS.values() if len(script.languages) > 1 for language in script.languages
)
_LATIN = tuple(sorted({*EVERYDAY_WORDS, *_FURTHER} - _OTHER_SCRIPTS))
MODEL_LANGUAGES = frozenset(_LATIN) | _SHARED_SCRIPTS
"""Languages that share their script with others, so that letters and words must tell them apart."""
