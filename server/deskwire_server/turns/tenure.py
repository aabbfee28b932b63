"""How long this worker may speak for its turns, judged by its own clock alone."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds of a clock that goes on while this process, or the whole machine, sleeps."""
    return time.clock_gettime(_CLOCK)


class Tenure:
    """The local view of a worker's lease.

    It ends no later than the lease in the database: it counts from before a renewal was sent. While it is over another
    worker may hold the turns, so nothing of them may be said and no provider be called. `epoch` grows with each gap:
    what was known to be ours in an earlier one has to be asked for anew.
    """

    def __init__(self, term: float) -> None:
        """`term` is the lease's length in seconds."""
        self.term = term
        self.epoch = 0
        self._until = 0.0
        self._unbroken_since = now()
        self._renewed_at = now()

    @property
    def held(self) -> bool:
        """Whether this worker may speak for its turns."""
        return now() < self._until

    def covers(self, epoch: int) -> bool:
        """Whether what was known to be ours in `epoch` still is."""
        return self.held and epoch == self.epoch

    @property
    def away_for(self) -> float:
        """Seconds since the last renewal."""
        return now() - self._renewed_at

    @property
    def may_take_over(self) -> bool:
        """Whether this worker has held its lease for a whole term without a gap or a failed renewal.

        So every worker gets one term of grace after an outage of the database, in which it may renew and keep what it
        runs.
        """
        return self.held and now() - self._unbroken_since >= self.term

    def renewed(self, asked_at: float) -> None:
        """A renewal that was sent at `asked_at` was committed."""
        moment = now()
        if moment >= self._until:
            self.epoch += 1
            self._unbroken_since = moment
        self._until = asked_at + self.term
        self._renewed_at = moment

    def failed(self) -> None:
        """A renewal failed: the database may be away for others, too."""
        self._unbroken_since = now()

    def give_up(self) -> None:
        """The lease was given back."""
        self._until = 0.0
