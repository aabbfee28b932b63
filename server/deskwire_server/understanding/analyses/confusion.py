"""Confusion: whether a writer is lost, by four factors, and whether to offer to look at their screen."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from deskwire_server.understanding.analyses.port import Json, MessageToAnalyse
from deskwire_server.understanding.analyses.reading import Reading, read
from deskwire_server.understanding.features import Features, features
from deskwire_server.understanding.heads import probabilities

OFFER_FROM = 0.5
"""Score from which on screen sharing is offered."""
_EARLIER = 3
"""Messages of the writer before this one that count."""
_CARRIED = 0.3
"""What is left of the confusion of the message before."""


@dataclass(frozen=True, slots=True)
class ConfusionFactors:
    """The four factors, each from 0 to 1."""

    keywords: float
    """Words of being stuck: stuck, lost, error, "I don't understand"."""
    emotion: float
    """Frustration, anger, worry."""
    technical: float
    """Error codes and words of technical trouble."""
    question_density: float
    """Question marks and words of doubt for the length of the message."""


@dataclass(frozen=True, slots=True)
class ConfusionResult:
    """How lost a writer is."""

    score: float
    """0 to 1."""
    factors: ConfusionFactors
    offer_screen_sharing: bool

    def as_json(self) -> Json:
        """The fields by name, the factors as a map."""
        return asdict(self)


class ConfusionAnalysis:
    """A score with its factors; over `threshold` screen sharing is offered."""

    name = "confusion"

    def __init__(self, threshold: float = OFFER_FROM) -> None:
        self._threshold = threshold

    async def analyse(self, message: MessageToAnalyse) -> ConfusionResult:
        """Analyse `message` after what its writer said before."""
        reading = await read(message)
        score = confusion_of(reading)
        earlier = [past.text for past in message.history if past.role == "user"][-_EARLIER:]
        if earlier and not reading.features.counts.get("settled") and message.text.strip():
            carried = 0.0
            for text in earlier:
                carried = max(carried * _CARRIED, confusion_of(Reading(features(text[:600]), None)))
            score = 1 - (1 - score) * (1 - _CARRIED * carried)
        score = round(score, 3)
        return ConfusionResult(score, factors_of(reading.features), score >= self._threshold)


def confusion_of(reading: Reading) -> float:
    """How likely the writer of one message is lost."""
    if not reading.features.words:
        return 0.0
    return probabilities("confusion", reading.values, reading.vector, is_foreign=reading.is_foreign)["confused"]


def factors_of(found: Features) -> ConfusionFactors:
    """The factors of one message."""
    count = found.counts.get
    return ConfusionFactors(
        keywords=_share(2 * count("puzzled", 0) + count("trouble", 0)),
        emotion=_share(count("anger", 0) + count("worry", 0) + count("blame", 0)),
        technical=_share(2 * found.codes + count("trouble", 0) + count("blocked", 0)),
        question_density=round(min(1.0, (found.questions + count("hedge", 0)) * 8 / max(found.words, 8)), 3),
    )


def _share(weight: int) -> float:
    """0 for nothing, a half for two, towards 1 for many."""
    return round(weight / (weight + 2), 3)
