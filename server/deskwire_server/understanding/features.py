"""What the words and the form of a message show, as numbers that trained heads weigh."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deskwire_server.understanding import lexicon
from deskwire_server.understanding.wordlists import word_set

_SHAPES = (
    "words", "short", "exclamations", "questions", "doubled_questions", "shouting", "asks", "codes", "numbers",
    "ellipsis", "but", "first_is_question_word", "greeting", "digits_only", "valence_up", "valence_down",
    "valence_best", "valence_worst", "soon", "by_time", "this_day", "everyone", "ongoing",
)  # fmt: skip
_QUESTION_WORDS = word_set(
    "how what where when which who why can could is are do does will would may wie was wo wann welche "
    "welcher wer warum kann können gibt "
    "comment où quand quel quelle quels quelles qui pourquoi est-ce combien cómo dónde cuándo cuál quién "
    "cuánto qué puedo tienen como onde "
    "quando qual quais posso quanto come dove quale quali hoe waar wanneer welke jak gdzie kiedy как где "
    "когда hur var när"
)
_GREETINGS = word_set("hi hello hey hallo bonjour hola olá oi ciao guten good dear salut привет hej")
_CODE = re.compile(
    r"\b(?:[1-5]\d\d|0x[0-9a-f]{4,}|[A-Z]{3,}(?:_[A-Z]+)+|[a-z]+(?:_[a-z]+)+|[A-Z][a-z]+(?:Error|Exception))\b"
)
_BUT = word_set("but however aber mais pero mas ma maar ale но men though although yet")
_LONG_MESSAGE = 60
_SOON = re.compile(
    r"\b(?:in|within|next|dans|en|dentro de|fra|tra|entro|over|binnen|через|za)\s+(?:(?:the|next|about|less|"
    r"than|den|einer|der)\s+){0,3}"
    r"(?:\d{1,2}|half|an?|one|two|three|few|five|ten|fifteen|twenty|thirty|forty|halben|zwei|dix|quinze|une|"
    r"deux|media|una|dos|diez|"
    r"dieci|meia|uma|een|twee|пол\w*)[\s-]*(?:an?\s+)?(?:min|hour|hr|stund|heure|hora|ora\b|ore\b|uur|"
    r"kwartier|час|godzin)"
    r"|\b(?:half an hour|halben stunde|demi-heure|media hora|mezz'ora|daqui a pouco)\b",
    re.IGNORECASE,
)
_BY_TIME = re.compile(
    r"\b(?:by|before|until|till|at|bis|um|vor|avant|antes d[eo]l?|a las|entro|alle|prima|voor|om|до|"
    r"przed)\s+(?:the\s+)?"
    r"(?:noon|midnight|tonight|tomorrow|today|midi|demain|mediodía|mañana|amanhã|domani|stasera|morgen|heute|"
    r"\d{1,2}(?:[:.]\d\d)?(?:\s?(?:am|pm|h|uhr|uur|o'clock))?)\b",
    re.IGNORECASE,
)
_THIS_DAY = re.compile(
    r"\b(?:today|tonight|tomorrow|this (?:morning|afternoon|evening|instant|minute)|heute|heut|morgen|"
    r"aujourd'hui|ce soir|demain|hoy|mañana|"
    r"esta noche|hoje|amanhã|oggi|stasera|domani|vandaag|dziś|dzisiaj|jutro|сегодня|завтра|idag|imorgon|i dag)\b",
    re.IGNORECASE,
)
_EVERYONE = re.compile(
    r"\b(?:all|every|entire|whole|none of|nobody|no one|everyone|everybody|hundreds|thousands|\d{2,5} "
    r"(?:people|users|employees|workers|"
    r"customers|locations|stores)|alle[rsn]?|sämtliche|ganze[nrs]?|niemand|kein einziger|tou[st]e?s?|aucune?|"
    r"personne ne|tod[oa]s|toda|ningun[oa]?|"
    r"nenhum[a]?|tutt[iae]|nessuno?|geen enkele|niemand|wszys\w+|żaden|все|всех|никто)\b",
    re.IGNORECASE,
)
_ONGOING = re.compile(
    r"\b(?:right now|as we speak|as i (?:type|write)|at (?:this|the) (?:very )?moment|still going on|is "
    r"(?:deleting|stealing|emptying|sending|draining|"
    r"burning|leaking|withdrawing|changing|transferring)|can(?:'|no)t stop (?:it|him|her|them)|gerade|en ce "
    r"moment|ahora mismo|neste momento|agora mesmo|"
    r"proprio adesso|in questo momento|op dit moment|nu meteen|сейчас|прямо сейчас)\b",
    re.IGNORECASE,
)
_NEGATED = ("praise", "blame", "settled", "hurry", "trouble")


@dataclass(frozen=True, slots=True)
class Features:
    """The telling parts of one message."""

    values: NDArray[np.float32]
    """In the order of `feature_names()`."""
    counts: dict[str, int]
    """Hits by category of the lexicon; a negated one counts under `no_<category>`."""
    words: int
    questions: int
    """Question marks, and sentences that begin as questions."""
    codes: int
    """Error codes and names of errors."""


@lru_cache(maxsize=1)
def feature_names() -> tuple[str, ...]:
    """Names of the values of `Features`."""
    return (*lexicon.categories(), *(f"no_{name}" for name in _NEGATED), *_SHAPES)


def features(text: str) -> Features:
    """The features of `text`. Blocking: about 0.1 ms for a short message, few milliseconds for the longest."""
    tokens = lexicon.tokens(text)
    counts: Counter[str] = Counter()
    for hit in lexicon.find(text, tokens):
        counts[f"no_{hit.category}" if hit.negated and hit.category in _NEGATED else hit.category] += 1
    words = [word for word, _ in tokens if word[0].isalnum()]
    shape = _shape(text, words) | _valence(tokens) | _time(text[: _LONG_MESSAGE * 40])
    values = [min(math.log1p(counts[name]), 2.0) for name in feature_names()[: -len(_SHAPES)]]
    return Features(
        np.array([*values, *(shape[name] for name in _SHAPES)], dtype=np.float32),
        dict(counts),
        len(words),
        text.count("?") + int(shape["asks"] > 0 and "?" not in text),
        int(shape["codes"] > 0) * len(_CODE.findall(text[: _LONG_MESSAGE * 40])),
    )


def _shape(text: str, words: list[str]) -> dict[str, float]:
    letters = [character for character in text[:1_000] if character.isalpha()]
    upper = sum(map(str.isupper, letters)) / len(letters) if len(letters) >= 8 else 0.0
    first = words[0] if words else ""
    starters = sum(word in _QUESTION_WORDS for word in words[:3])
    return {
        "words": math.log1p(len(words)) / 3,
        "short": float(len(words) <= 3),
        "exclamations": min(text.count("!"), 4) / 2,
        "questions": min(text.count("?"), 4) / 2,
        "doubled_questions": float("??" in text or "?!" in text or "!?" in text),
        "shouting": float(upper > 0.6),
        "asks": float(starters > 0),
        "codes": float(bool(_CODE.search(text[: _LONG_MESSAGE * 40]))),
        "numbers": float(any(map(str.isdigit, text))),
        "ellipsis": float("..." in text or "…" in text),
        "but": float(not _BUT.isdisjoint(words)),
        "first_is_question_word": float(first in _QUESTION_WORDS),
        "greeting": float(first in _GREETINGS),
        "digits_only": float(bool(words) and all(not any(map(str.isalpha, word)) for word in words)),
    }


def _valence(tokens: list[tuple[str, int]]) -> dict[str, float]:
    values = lexicon.valences(tokens)
    return {
        "valence_up": math.log1p(sum(value for value in values if value > 0)) / 2,
        "valence_down": math.log1p(-sum(value for value in values if value < 0)) / 2,
        "valence_best": max(values, default=0.0) / 3,
        "valence_worst": min(values, default=0.0) / 3,
    }


def _time(text: str) -> dict[str, float]:
    """How near in time, how many are hit, and whether it is happening now."""
    text = text.replace("’", "'")
    forms = {"soon": _SOON, "by_time": _BY_TIME, "this_day": _THIS_DAY, "everyone": _EVERYONE, "ongoing": _ONGOING}
    return {name: float(bool(pattern.search(text))) for name, pattern in forms.items()}
