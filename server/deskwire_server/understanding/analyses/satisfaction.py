"""Satisfaction: how content a person will be with a conversation, predicted from its course."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from deskwire_server.understanding.analyses.port import Json, MessageToAnalyse, PastMessage
from deskwire_server.understanding.analyses.reading import read
from deskwire_server.understanding.analyses.sentiment import sentiment_of
from deskwire_server.understanding.features import features
from deskwire_server.understanding.heads import Values, probabilities

COURSE_FEATURES = (
    "last_sentiment",
    "mean_sentiment",
    "lowest_sentiment",
    "trend",
    "last_thanks",
    "last_settled",
    "last_blame",
    "last_escalates",
    "any_escalates",
    "last_puzzled",
    "any_puzzled",
    "repeats",
    "user_messages",
    "shouting",
    "answers_sorry",
    "answers_without_help",
    "last_question",
    "any_settled",
    "still",
    "answers_done",
    "ends_unanswered",
)
_READ = 20
"""Messages from the end that are read."""
_REPEATED = 75.0
_WITHOUT_HELP = (
    "don't know",
    "do not know",
    "couldn't find",
    "could not find",
    "can't help",
    "cannot help",
    "unable to",
    "not possible",
    "not sure",
    "i'm afraid",
    "no information",
    "didn't understand",
    "did not understand",
    "rephrase",
    "can't do that",
    "cannot do",
    "not able to",
    "unfortunately",
    "policy",
    "leider",
    "weiß ich nicht",
    "je ne sais pas",
    "malheureusement",
    "no lo sé",
    "lamentablemente",
    "non lo so",
    "purtroppo",
    "infelizmente",
    "helaas",
)
_SORRY = (
    "sorry",
    "apologi",
    "tut mir leid",
    "entschuldig",
    "désolé",
    "excus",
    "lo siento",
    "disculp",
    "desculp",
    "mi dispiace",
    "scusi",
    "excuses",
    "przepraszam",
)
_DONE = (
    "i have refunded",
    "i've refunded",
    "refund has been",
    "i have sent",
    "i've sent",
    "has been sent",
    "i have reset",
    "i've reset",
    "i've updated",
    "i have updated",
    "is done",
    "all set",
    "i've added",
    "i have added",
    "i've activated",
    "i've cancelled",
    "i've changed",
    "i have changed",
    "credited",
    "i've fixed",
    "you're welcome",
    "gern geschehen",
    "glad",
    "happy to help",
    "i've extended",
    "i've unlocked",
    "erledigt",
    "has been",
    "have been",
    "you can find",
    "go to",
    "here is",
    "here are",
)


@dataclass(frozen=True, slots=True)
class SatisfactionResult:
    """How content a person will be."""

    score: float
    """1, not at all, to 5, as a person would rate it."""
    label: str
    """`satisfied` or `unsatisfied`."""
    confidence: float
    """0 to 1: how likely the label is right."""

    def as_json(self) -> Json:
        """The fields by name."""
        return asdict(self)


class SatisfactionAnalysis:
    """The rating a conversation will get, from its messages up to and with the one at hand."""

    name = "satisfaction"

    async def analyse(self, message: MessageToAnalyse) -> SatisfactionResult:
        """Analyse the conversation that ends with `message`, which is the user's."""
        reading = await read(message)
        conversation = [*message.history[-_READ:], PastMessage("user", message.text)]
        values = course(conversation, sentiment_of(reading.values, reading.vector, is_foreign=reading.is_foreign).score)
        satisfied = probabilities("satisfaction", values, reading.vector)["satisfied"]
        label = "satisfied" if satisfied >= 0.5 else "unsatisfied"
        return SatisfactionResult(round(1 + 4 * satisfied, 2), label, round(max(satisfied, 1 - satisfied), 3))


def course(conversation: Sequence[PastMessage], last_sentiment: float | None = None) -> Values:
    """The course of a conversation as numbers, in the order of `COURSE_FEATURES`."""
    from rapidfuzz import fuzz

    mine = [past.text[:600] for past in conversation if past.role == "user" and past.text.strip()]
    theirs = [past.text[:600].lower() for past in conversation if past.role != "user"]
    if not mine:
        return np.zeros(len(COURSE_FEATURES), dtype=np.float32)
    found = [features(text) for text in mine]
    moods = [sentiment_of(each.values, None).score for each in found]
    if last_sentiment is not None and conversation[-1].role == "user" and conversation[-1].text.strip():
        moods[-1] = (moods[-1] + last_sentiment) / 2
    last = found[-1].counts.get
    total = {
        name: sum(each.counts.get(name, 0) for each in found) for name in ("escalate", "puzzled", "settled", "again")
    }
    repeats = sum(fuzz.token_set_ratio(before, after) >= _REPEATED for before, after in pairwise(mine))
    values = {
        "last_sentiment": moods[-1],
        "mean_sentiment": float(np.mean(moods)),
        "lowest_sentiment": min(moods),
        "trend": moods[-1] - moods[0],
        "last_thanks": min(last("thanks", 0), 2),
        "last_settled": min(last("settled", 0), 2),
        "last_blame": min(last("blame", 0) + last("no_praise", 0) + last("mockery", 0), 3),
        "last_escalates": min(last("escalate", 0), 2),
        "any_escalates": min(total["escalate"], 3) / 2,
        "last_puzzled": min(last("puzzled", 0) + last("trouble", 0), 2),
        "any_puzzled": min(total["puzzled"], 3) / 2,
        "repeats": min(repeats, 2),
        "user_messages": min(len(mine), 8) / 4,
        "shouting": sum(float(text.isupper() and len(text) > 8) or float("!!" in text) for text in mine) / len(mine),
        "answers_sorry": _mentions(theirs, _SORRY),
        "answers_without_help": _mentions(theirs, _WITHOUT_HELP),
        "last_question": float("?" in mine[-1]),
        "any_settled": min(total["settled"], 2),
        "still": min(total["again"], 3) / 2,
        "answers_done": _mentions(theirs, _DONE),
        "ends_unanswered": float(conversation[-1].role == "user" and "?" in conversation[-1].text),
    }
    return np.array([values[name] for name in COURSE_FEATURES], dtype=np.float32)


def _mentions(texts: Sequence[str], phrases: Sequence[str]) -> float:
    """How many of `texts` hold one of `phrases`, at most two, halved."""
    return min(sum(any(phrase in text for phrase in phrases) for text in texts), 2) / 2
