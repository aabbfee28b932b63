"""How long and how often calls are tried again."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """Back-off with jitter. All times are seconds."""

    initial_delay: float = 0.1
    """Wait before the first repeat."""
    max_delay: float = 1.0
    """Longest wait, unless the server asks for a longer one."""
    multiplier: float = 2.0
    """Growth of the wait from one repeat to the next."""
    jitter: float = 0.3
    """Each wait is changed by up to this share, so that clients do not come back all at once."""
    call_for: float = 10.0
    """How long a unary call, or the first contact of a stream, is repeated while the server is away."""
    resume_for: float = 60.0
    """How long a stream that had begun is resumed without any progress."""

    def delay(self, failures: int, retry_after: float | None = None) -> float:
        """Wait before repeat number `failures`, counted from 1; never less than `retry_after`."""
        raw = min(self.max_delay, self.initial_delay * self.multiplier ** min(failures - 1, 30))
        if retry_after is not None and retry_after > raw:
            return retry_after * (1 + random.random() * self.jitter)  # noqa: S311 - spreads load, guards nothing
        return raw * (1 + (2 * random.random() - 1) * self.jitter)  # noqa: S311 - as above


class Backoff:
    """Counts failures in a row and says how long to wait, or that it is enough."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._since: float | None = None
        self._begun = False

    def progressed(self) -> None:
        """Something useful arrived: failures before it don't count any more."""
        self._begun = True
        self._failures = 0
        self._since = None

    @property
    def begun(self) -> bool:
        """Whether anything useful has arrived at all."""
        return self._begun

    def next_delay(self, retry_after: float | None = None) -> float | None:
        """Seconds to wait before the next try, None when the time for tries is over."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        self._failures += 1
        delay = self._policy.delay(self._failures, retry_after)
        limit = self._policy.resume_for if self._begun else self._policy.call_for
        return delay if now - self._since + delay <= limit else None
