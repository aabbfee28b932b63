"""PgQueuer's queue manager as this server uses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import Channel

from deskwire_server.jobs.queue import SETTINGS, JobQueue

__all__ = ["FailingListenerError", "GivenUp", "Manager", "RetryRequested"]

_BATCH = 4
_AT_ONCE = 8


class GivenUp(Exception):
    """A job that is not tried again."""


@dataclasses.dataclass
class Manager(QueueManager):
    """Takes jobs over one connection."""

    @classmethod
    def over(cls, queue: JobQueue) -> Manager:
        """A manager of `queue`."""
        return cls(queue.queries, channel=Channel(SETTINGS.channel))

    def register(self, kind: str, function: Callable[[Job], Awaitable[None]]) -> None:
        """Let `function` do the jobs of a kind. Those that it gives up are kept, for people to look at."""
        self.entrypoint(kind, on_failure="hold", accepts_context=False)(function)

    async def work(self, *, lost_after: float, poll: float) -> None:
        """Take jobs until `shutdown` is set. Raises what the driver raises, and `FailingListenerError`."""
        await self.run(
            dequeue_timeout=timedelta(seconds=poll),
            batch_size=_BATCH,
            max_concurrent_tasks=_AT_ONCE,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=timedelta(seconds=lost_after),
        )

    async def log_failure(self, job: Any, executor: Any, exc: Exception, jbuff: Any) -> None:
        """Keep a job as dead that was given up. Any other failure is the queue's own, such as a database that is away:
        the job is left as it is, and done again when its worker has been silent for long enough.
        """
        if isinstance(exc, GivenUp):
            await super().log_failure(job, executor, exc, jbuff)
