"""What summaries and titles are made of."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was said in one turn."""

    turn_id: UUID
    question: str
    """Empty where nothing was asked."""
    answer: str
    """Empty where nothing was answered."""

    @property
    def message_count(self) -> int:
        """How many messages it takes of a window."""
        return (self.question != "") + (self.answer != "")


@dataclass(frozen=True, slots=True)
class Branch:
    """What was said on a branch since its last summary, oldest first."""

    summary: str
    """Of what came before; empty when there is none."""
    exchanges: tuple[Exchange, ...]
    message_count: int
    """Messages of the whole conversation, all branches."""

    @property
    def uncovered(self) -> int:
        """Messages that no summary covers."""
        return sum(exchange.message_count for exchange in self.exchanges)
