"""Urgency: how soon a message wants to be dealt with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, cast

from deskwire_server.understanding.analyses.port import Json, MessageToAnalyse
from deskwire_server.understanding.analyses.reading import read
from deskwire_server.understanding.heads import Values, probabilities

UrgencyLabel = Literal["low", "normal", "high", "critical"]
_HEIGHT = {"low": 0.0, "normal": 1 / 3, "high": 2 / 3, "critical": 1.0}


@dataclass(frozen=True, slots=True)
class UrgencyResult:
    """How soon a message wants to be dealt with."""

    label: UrgencyLabel
    score: float
    """0, no hurry at all, to 1."""
    confidence: float
    """0 to 1: how likely the label is right."""

    def as_json(self) -> Json:
        """The fields by name."""
        return asdict(self)


class UrgencyAnalysis:
    """Low, normal, high or critical, with a score."""

    name = "urgency"

    async def analyse(self, message: MessageToAnalyse) -> UrgencyResult:
        """Analyse `message`."""
        reading = await read(message)
        return urgency_of(reading.values, reading.vector, is_foreign=reading.is_foreign)


def urgency_of(values: Values, vector: Values | None, *, is_foreign: bool = False) -> UrgencyResult:
    """The urgency that a message's features and embedding speak for."""
    shares = probabilities("urgency", values, vector, is_foreign=is_foreign)
    label = max(shares, key=shares.__getitem__)
    score = sum(_HEIGHT[each] * share for each, share in shares.items())
    return UrgencyResult(cast(UrgencyLabel, label), round(score, 3), round(shares[label], 3))
