"""What background work is: whose it is, how it may end, and how long it is tried."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson


@dataclass(frozen=True, slots=True)
class Work:
    """Work on one conversation. Ids only: what it is about is read when it is done."""

    tenant_id: UUID
    conversation_id: UUID
    turn_id: UUID
    """The turn that caused it; what the work costs is counted there."""
    is_last_try: bool = False
    """After a failure of this try nobody tries again: do what can be done without help."""

    @classmethod
    def read(cls, payload: bytes | None, *, is_last_try: bool) -> Work:
        """The work of a job. Raises `ValueError` and `KeyError` for a payload that is none."""
        ids = orjson.loads(payload or b"")
        return cls(UUID(ids["tenant_id"]), UUID(ids["conversation_id"]), UUID(ids["turn_id"]), is_last_try)


Handler = Callable[[Work], Awaitable[None]]
"""Does the work of one kind. It may be called again for work that was done already, also by two workers at once after
one of them hung, and must then change nothing. Whatever it raises leads to another try."""


@dataclass(frozen=True, slots=True)
class Tries:
    """How often failing work is tried, and after which pauses."""

    most: int = 8
    first_pause: float = 2.0
    longest_pause: float = 600.0
    most_lost_workers: int = 3
    """Work whose worker died this often is given up: it may be what kills them."""

    def pause(self, failures: int, *, at_least: float = 0.0) -> float:
        """Seconds until the next try after this many failures: doubled each time, less a random part of up to half."""
        longest = min(self.longest_pause, self.first_pause * 2.0 ** (failures - 1))
        return max(at_least, longest * random.uniform(0.5, 1.0))  # noqa: S311 (no secret depends on it)


@dataclass(frozen=True, slots=True)
class QueueState:
    """How many jobs of a kind are in a state."""

    kind: str
    state: str
    """`waiting` to be done, `postponed` after a failure, `running`, or `dead`."""
    count: int
    oldest: datetime
    """When the oldest one was asked for."""


@dataclass(frozen=True, slots=True)
class DeadJob:
    """Work that was given up."""

    id: int
    kind: str
    created_at: datetime
    failed_at: datetime
    tries: int
    reason: str
    work: Work
