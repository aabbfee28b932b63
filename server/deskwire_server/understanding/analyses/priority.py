"""Priority: the place in the queue that a message earns, by a rule that can be read and explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deskwire_server.understanding.analyses.port import AccountSignals, Json, MessageToAnalyse
from deskwire_server.understanding.analyses.reading import read
from deskwire_server.understanding.analyses.sentiment import SentimentResult, sentiment_of
from deskwire_server.understanding.analyses.urgency import UrgencyResult, urgency_of

PriorityLabel = Literal["low", "normal", "high", "critical"]
_FROM = (("critical", 80), ("high", 50), ("normal", 20), ("low", 0))
"""Points from which on a label holds."""
_URGENCY = {"low": 10, "normal": 30, "high": 55, "critical": 85}
_SENTIMENT = {"negative": 10, "neutral": 0, "positive": -10}
_INTENTS = {
    "human_agent": 10, "complaint": 10, "cancellation": 10, "technical_support": 5, "billing": 5, "security": 15,
    "gratitude": -15, "goodbye": -15, "greeting": -10, "feedback": -5,
}  # fmt: skip
_VERY_NEGATIVE, _VERY_NEGATIVE_POINTS = -0.75, 5
_IMPORTANT_PLANS = ("enterprise", "premium", "business")


@dataclass(frozen=True, slots=True)
class PriorityResult:
    """The place in the queue."""

    label: PriorityLabel
    score: int
    """Points from 0 to 100."""
    reasons: tuple[str, ...]
    """What gave points or took them, such as `urgency=high +55`."""

    def as_json(self) -> Json:
        """The fields by name."""
        return {"label": self.label, "score": self.score, "reasons": list(self.reasons)}


class PriorityAnalysis:
    """Low, normal, high or critical, from urgency, sentiment, intent and account."""

    name = "priority"

    async def analyse(self, message: MessageToAnalyse) -> PriorityResult:
        """Analyse `message`."""
        reading = await read(message)
        return priority_of(
            urgency_of(reading.values, reading.vector),
            sentiment_of(reading.values, reading.vector),
            message.intent,
            message.account,
        )


def priority_of(
    urgency: UrgencyResult, sentiment: SentimentResult, intent: str = "", account: AccountSignals | None = None
) -> PriorityResult:
    """Points for urgency, then for sentiment, intent and account; their sum, cut to 0 to 100, gives the label."""
    points: list[tuple[str, int]] = [
        (f"urgency={urgency.label}", _URGENCY[urgency.label]),
        (f"sentiment={sentiment.label}", _SENTIMENT[sentiment.label]),
    ]
    if sentiment.score <= _VERY_NEGATIVE:
        points.append(("very negative", _VERY_NEGATIVE_POINTS))
    if intent in _INTENTS:
        points.append((f"intent={intent}", _INTENTS[intent]))
    points.extend(_account_points(account or AccountSignals()))
    score = min(100, max(0, sum(value for _, value in points)))
    label = next(label for label, least in _FROM if score >= least)
    return PriorityResult(label, score, tuple(f"{why} {value:+d}" for why, value in points if value))  # type: ignore[arg-type]


def _account_points(account: AccountSignals) -> list[tuple[str, int]]:
    points: list[tuple[str, int]] = []
    if account.is_vip:
        points.append(("important customer", 15))
    elif any(plan in account.plan.lower() for plan in _IMPORTANT_PLANS):
        points.append((f"plan={account.plan}", 10))
    if account.health in ("warning", "critical"):
        points.append((f"account health={account.health}", 5 if account.health == "warning" else 10))
    if account.open_escalations:
        points.append(("escalation open", 10))
    return points
