"""Does the background work of one worker: takes jobs from the queue, tries again, gives up, gives back."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from deskwire_server.db.engine import is_unreachable
from deskwire_server.errors import DomainError
from deskwire_server.jobs.models import Handler, Tries, Work
from deskwire_server.metrics import Metrics

if TYPE_CHECKING:
    from deskwire_server.jobs.queue import JobQueue

_log = structlog.get_logger(__name__)
_LIBRARY = ("deskwire_server.jobs.queue", "deskwire_server.jobs.manager")
"""Imported when the worker serves already: together they take a tenth of a second."""
_RECONNECT = 2.0
_LET_GO = 5.0
_OBSERVE = 30.0
_SWEEP = 3_600.0


class JobRunner:
    """Takes jobs as long as it runs. Postgres may leave and come back; what runs meanwhile is done again elsewhere."""

    def __init__(
        self,
        system_url: str,
        handlers: Mapping[str, Handler],
        metrics: Metrics,
        *,
        tries: Tries | None = None,
        lost_after: float = 30.0,
        poll: float = 30.0,
    ) -> None:
        """`handlers` by kind. A worker that gave no sign of life for `lost_after` seconds has lost its jobs. Jobs are
        taken when the database tells of them, and looked for every `poll` seconds.
        """
        self._system_url = system_url
        self._handlers = dict(handlers)
        self._metrics = metrics
        self._tries = tries or Tries()
        self._lost_after = lost_after
        self._poll = poll
        self._running: set[asyncio.Task[None]] = set()
        self._manager: Any = None
        self._draining = False

    async def run(self) -> None:
        """Take jobs until `stop_taking` or a cancellation, which gives running ones back to the queue."""
        for module in _LIBRARY:
            await asyncio.to_thread(importlib.import_module, module)
        while not self._draining:
            try:
                await self._session()
            except Exception as error:
                if not _is_outage(error):
                    raise
                _log.warning("jobs_interrupted", error=type(error).__name__)
                await asyncio.sleep(_RECONNECT)

    def stop_taking(self) -> None:
        """Begin no more jobs; those that run go on."""
        self._draining = True
        if self._manager is not None:
            self._manager.shutdown.set()

    async def _session(self) -> None:
        """Work over one connection until it breaks."""
        from deskwire_server.jobs.manager import Manager
        from deskwire_server.jobs.queue import JobQueue, connect

        connection = await connect(self._system_url)
        try:
            queue = JobQueue(connection)
            self._manager = Manager.over(queue)
            for kind, handler in self._handlers.items():
                self._manager.register(kind, self._attempting(kind, handler, queue))
            if self._draining:
                return
            working = asyncio.create_task(self._manager.work(lost_after=self._lost_after, poll=self._poll))
            observing = asyncio.create_task(self._observe(queue))
            try:
                await asyncio.wait([working, observing], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await self._end(working, observing)
            for task in (working, observing):
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error
        finally:
            self._manager = None
            connection.terminate()

    async def _end(self, working: asyncio.Task[None], observing: asyncio.Task[None]) -> None:
        """Give running jobs back and wait until the queue knows, for a while."""
        if self._manager is not None:
            self._manager.shutdown.set()
        observing.cancel()
        for task in list(self._running):
            task.cancel()
        await asyncio.wait([working, observing], timeout=_LET_GO)
        if not working.done():
            working.cancel()
            await asyncio.wait([working], timeout=_LET_GO)

    def _attempting(self, kind: str, handler: Handler, queue: JobQueue) -> Any:
        """A handler as the queue calls it: every way to end is one that the queue knows, and tells no content."""
        from deskwire_server.jobs.manager import GivenUp, RetryRequested

        async def attempt(job: Any) -> None:
            failures = job.attempts + 1
            lost = await queue.times_begun(job.id) - failures
            if lost >= self._tries.most_lost_workers:
                self._count(kind, "dead")
                raise GivenUp(f"its worker was lost {lost} times") from None
            payload, is_last = job.payload, failures >= self._tries.most
            while True:
                reason, pause = await self._once(kind, handler, payload, is_last, failures)
                if reason and is_last and reason != _BACK:
                    self._count(kind, "dead")
                    raise GivenUp(reason)
                if reason:
                    self._count(kind, "given_back" if reason == _BACK else "failed")
                    raise RetryRequested(timedelta(seconds=pause), reason)
                if await queue.close(job.id) or (payload := await queue.again(job.id)) is None:
                    self._count(kind, "done")
                    return

        return attempt

    async def _once(
        self, kind: str, handler: Handler, payload: bytes | None, is_last: bool, failures: int
    ) -> tuple[str, float]:
        """One try. Returns why it failed, empty when it did not, and the seconds to wait before the next."""
        began = time.monotonic()
        task = asyncio.create_task(_call(handler, payload, is_last), name=f"job-{kind}")
        self._running.add(task)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            # A job that is cancelled would be deleted: it is given back instead, and this task ends all the same.
            task.cancel()
            await asyncio.wait([task])
        finally:
            self._running.discard(task)
        if task.cancelled():
            return _BACK, 0.0
        error = task.exception()
        self._metrics.job_seconds.labels(kind).observe(time.monotonic() - began)
        if error is None:
            return "", 0.0
        reason = _told(error)
        _log.warning("job_failed", kind=kind, tries=failures, reason=reason, exc_info=error)
        least = (error.retry_after or 0.0) if isinstance(error, DomainError) else 0.0
        return reason, self._tries.pause(failures, at_least=min(least, self._tries.longest_pause))

    def _count(self, kind: str, outcome: str) -> None:
        self._metrics.jobs_ended.labels(kind, outcome).inc()

    async def _observe(self, queue: JobQueue) -> None:
        """Tell how the queue stands, for ever, and sweep it now and then."""
        swept = time.monotonic()
        while True:
            states = await queue.states()
            self._metrics.jobs.clear()
            self._metrics.job_age.clear()
            for state in states:
                self._metrics.jobs.labels(state.kind, state.state).set(state.count)
                age = (datetime.now(UTC) - state.oldest).total_seconds()
                self._metrics.job_age.labels(state.kind, state.state).set(max(0.0, age))
            if time.monotonic() - swept > _SWEEP:
                swept = time.monotonic()
                await queue.sweep()
            await asyncio.sleep(_OBSERVE)


_BACK = "given back"


async def _call(handler: Handler, payload: bytes | None, is_last: bool) -> None:
    await handler(Work.read(payload, is_last_try=is_last))


def _told(error: BaseException) -> str:
    """What the queue may keep of an error: its kind. Its words may be somebody's."""
    if isinstance(error, DomainError):
        detail = error.metadata.get("kind", "")
        return f"{error.reason} ({detail})" if detail else error.reason
    return type(error).__name__


def _is_outage(error: BaseException) -> bool:
    from deskwire_server.jobs.manager import FailingListenerError

    return is_unreachable(error) or isinstance(error, asyncpg.PostgresError | FailingListenerError)
