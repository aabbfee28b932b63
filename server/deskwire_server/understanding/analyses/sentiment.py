"""Sentiment: how the writer of a message feels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, cast

from deskwire_server.understanding.analyses.port import Json, MessageToAnalyse
from deskwire_server.understanding.analyses.reading import read
from deskwire_server.understanding.heads import Values, probabilities

SentimentLabel = Literal["negative", "neutral", "positive"]


@dataclass(frozen=True, slots=True)
class SentimentResult:
    """How a writer feels."""

    label: SentimentLabel
    score: float
    """-1, as negative as can be, to 1."""
    confidence: float
    """0 to 1: how likely the label is right."""

    def as_json(self) -> Json:
        """The fields by name."""
        return asdict(self)


class SentimentAnalysis:
    """Negative, neutral or positive, with a score."""

    name = "sentiment"

    async def analyse(self, message: MessageToAnalyse) -> SentimentResult:
        """Analyse `message`."""
        reading = await read(message)
        return sentiment_of(reading.values, reading.vector, is_foreign=reading.is_foreign)


def sentiment_of(values: Values, vector: Values | None, *, is_foreign: bool = False) -> SentimentResult:
    """The sentiment that a message's features and embedding speak for."""
    shares = probabilities("sentiment", values, vector, is_foreign=is_foreign)
    label = max(shares, key=shares.__getitem__)
    return SentimentResult(
        cast(SentimentLabel, label), round(shares["positive"] - shares["negative"], 3), round(shares[label], 3)
    )
