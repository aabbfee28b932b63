"""Corrects slips of the keyboard in a question, towards words that the tenant's articles use."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from deskwire_server.embeddings.minilm import ModelMissingError, model_folder
from deskwire_server.knowledge.text import stem

_WORD = re.compile(r"(?<![\w.\-/@#=])[A-Za-z]+(?![\w/@=]|[.\-]\w|')")
_LEAST = 4
"""Shorter words have too many neighbours."""
_TWO_EDITS = 8
"""Words of this length may have two slips."""
_FIRST_WORD, _COMMON_WORDS, _VOCABULARY = 1_990, 50, 27_000
"""Place of the vocabulary's first word, how many of them are the commonest, and how many there are."""
_ENDINGS = (("s", ""), ("es", ""), ("ed", ""), ("ed", "e"), ("d", ""), ("ing", ""), ("ing", "e"))
_KNOWN_SHARE = 0.5
"""With fewer known words a text whose language can't be told is none that can be corrected."""


@dataclass(frozen=True, slots=True)
class Slip:
    """A word that nobody knows."""

    word: str
    """In lower case."""
    edits: int
    """Slips it may have."""


def slips(question: str, language: str, known_stems: Mapping[str, int]) -> list[Slip]:
    """Words of `question` that neither the tenant (`known_stems`) nor the English vocabulary knows.

    `language` is the question's, empty where it can't be told. Empty for one in another language than English, and for
    names: words with a capital that do not begin a sentence.
    """
    if language not in ("", "en"):
        return []
    found: list[Slip] = []
    known = 0
    for match in _WORD.finditer(question):
        word = match.group().lower()
        if len(word) < _LEAST:
            continue
        if stem(word) in known_stems or is_english(word):
            known += 1
        elif match.group().islower() or (match.start() == 0 and match.group()[1:].islower()):
            found.append(Slip(word, 2 if len(word) >= _TWO_EDITS else 1))
    return found if language or known >= _KNOWN_SHARE * (known + len(found)) else []


def correction(slip: Slip, tenant_words: Mapping[str, int]) -> str | None:
    """The word meant by `slip`: the nearest of the tenant's (with its passages), else of the English vocabulary."""
    from rapidfuzz.distance import OSA

    best: tuple[float, str] | None = None
    slip_stem = stem(slip.word)
    for word, passages in tenant_words.items():
        distance = OSA.distance(slip.word, word, score_cutoff=slip.edits)
        if distance > slip.edits:
            distance = OSA.distance(slip_stem, stem(word), score_cutoff=slip.edits)
        if 0 < distance <= slip.edits and len(word) >= _LEAST - 1:
            best = min(best or (9.0, ""), (distance - min(passages, 50) / 100, word))
    if best is not None and best[0] <= 1:
        return best[1]
    for word, order in _english_like(slip.word):
        if OSA.distance(slip.word, word, score_cutoff=1) == 1:
            best = min(best or (9.0, ""), (1 + order / 100_000, word))
    return best[1] if best is not None else None


def corrected(question: str, corrections: Mapping[str, str]) -> str:
    """`question` with its slips replaced."""
    return _WORD.sub(lambda match: corrections.get(match.group().lower(), match.group()), question)


def is_loaded() -> bool:
    """Whether the English vocabulary is at hand; loading it takes some 50 ms."""
    return _english.cache_info().currsize > 0


def is_english(word: str) -> bool:
    """Whether `word`, in lower case, is of the English vocabulary. False for all where the model is not installed."""
    vocabulary = _english()
    if word in vocabulary:
        return True
    return any(word.endswith(ending) and word[: -len(ending)] in vocabulary for ending in ("s", "es", "ed", "d", "ing"))


def rarity(word: str) -> float:
    """How rare `word`, in lower case, is in English: 0 for the commonest, 1 for those that the vocabulary lacks."""
    vocabulary = _english()
    forms = [word, *(word[: -len(end)] + new for end, new in _ENDINGS if word.endswith(end))]
    order = next((vocabulary[form] for form in forms if form in vocabulary), None)
    if order is None:
        return 1.0
    place = max(order - _FIRST_WORD, _COMMON_WORDS)
    return min(1.0, math.log(place / _COMMON_WORDS) / math.log(_VOCABULARY / _COMMON_WORDS))


def _english_like(word: str) -> list[tuple[str, int]]:
    by_shape = _english_by_shape()
    return [one for length in range(len(word) - 1, len(word) + 2) for one in by_shape.get((word[0], length), ())]


@lru_cache(maxsize=1)
def _english_by_shape() -> dict[tuple[str, int], list[tuple[str, int]]]:
    """The English vocabulary by first letter and length."""
    shapes: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for word, order in _english().items():
        if len(word) >= _LEAST - 1:
            shapes.setdefault((word[0], len(word)), []).append((word, order))
    return shapes


@lru_cache(maxsize=1)
def _english() -> dict[str, int]:
    """Words of the local model's vocabulary, the most frequent first. Empty where the model is not installed."""
    try:
        lines = (model_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    except ModelMissingError:
        return {}
    return {word: order for order, word in enumerate(lines) if len(word) > 1 and word.isascii() and word.isalpha()}
