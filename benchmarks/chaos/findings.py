"""What a reconciliation found wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Findings:
    """Sentences by kind, and figures."""

    lost: list[str] = field(default_factory=list)
    """Something that a client was told of is not there, or never came to an end."""
    duplicated: list[str] = field(default_factory=list)
    """Something happened, or was given to a client, twice."""
    mixed: list[str] = field(default_factory=list)
    """Text or an event stands where it does not belong."""
    usage: list[str] = field(default_factory=list)
    """Rows of usage that differ from the calls that the provider got."""
    stuck: list[str] = field(default_factory=list)
    """Replicas that did not end when they were asked to."""
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def verdict(self) -> str:
        """The last line of a run."""
        return f"lost {len(self.lost)}, duplicated {len(self.duplicated)}, mixed {len(self.mixed)}"

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.duplicated or self.mixed or self.usage or self.stuck)
