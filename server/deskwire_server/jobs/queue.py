"""The queue's statements: PgQueuer's own over one connection, and the few that it lacks.

Everything here runs as the system role, which sees the queue of all tenants and nothing else of them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.domain.models import Job, TableChangedEvent, TracebackRecord, utc_now
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import JobId
from pgqueuer.queries import Queries

from deskwire_server.db import urls
from deskwire_server.jobs.models import DeadJob, QueueState, Work

# Names are given in full: what is left out PgQueuer would take from the environment.
SETTINGS = DBSettings(
    prefix="",
    db_schema="jobs",
    channel="ch_pgqueuer",
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
)
"""Where the migration put the queue."""

_KEPT_LOG = "7 days"
_KEPT_STATISTICS = "30 days"

_STATES = """
    SELECT entrypoint, CASE WHEN status = 'failed' THEN 'dead' WHEN status = 'picked' THEN 'running'
                            WHEN execute_after > now() THEN 'postponed' ELSE 'waiting' END AS state,
           count(*) AS count, min(created) AS oldest
    FROM jobs.pgqueuer GROUP BY 1, 2 ORDER BY 1, 2
"""
_DEAD = """
    SELECT q.id, q.entrypoint, q.created, q.updated, q.attempts + 1 AS tries, q.payload,
           coalesce((SELECT l.traceback ->> 'exception_message' FROM jobs.pgqueuer_log l
                     WHERE l.job_id = q.id AND l.status = 'failed' ORDER BY l.id DESC LIMIT 1), '') AS reason
    FROM jobs.pgqueuer q WHERE q.status = 'failed' ORDER BY q.updated DESC, q.id DESC LIMIT $1
"""
_BEGUN = """
    SELECT count(*) FROM jobs.pgqueuer_log
    WHERE job_id = $1 AND status = 'picked'
      AND id > coalesce((SELECT max(id) FROM jobs.pgqueuer_log WHERE job_id = $1 AND status = 'failed'), 0)
"""
# From here on the same work is asked for by a job of its own: whoever asked before has left a mark.
_CLOSE = """
    UPDATE jobs.pgqueuer SET dedupe_key = NULL WHERE id = $1 AND NOT coalesce(headers, '{}') ? 'again' RETURNING true
"""
_AGAIN = "UPDATE jobs.pgqueuer SET headers = NULL WHERE id = $1 RETURNING payload"
_DROP = "DELETE FROM jobs.pgqueuer WHERE id = $1 AND status = 'failed' RETURNING id"
_SWEEP = f"""
    WITH old AS (DELETE FROM jobs.pgqueuer_statistics WHERE created < now() - interval '{_KEPT_STATISTICS}')
    DELETE FROM jobs.pgqueuer_log l WHERE l.created < now() - interval '{_KEPT_LOG}'
      AND NOT EXISTS (SELECT FROM jobs.pgqueuer q WHERE q.id = l.job_id)
"""


class _Queries(Queries):
    """PgQueuer's statements. What goes back to the queue wakes whoever listens: the trigger tells of new jobs alone."""

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        """Put a job back, to be taken after `delay`."""
        await super().retry_job(job, delay, traceback_record)
        await self._tell()

    async def requeue_jobs(self, ids: list[JobId]) -> None:
        """Put dead jobs back."""
        await super().requeue_jobs(ids)
        await self._tell()

    async def _tell(self) -> None:
        event = TableChangedEvent(
            channel=SETTINGS.channel,
            operation="update",
            sent_at=utc_now(),
            table=SETTINGS.queue_table,
            type="table_changed_event",
        )
        await self.driver.notify(SETTINGS.channel, event.model_dump_json())


class JobQueue:
    """The queue over one connection."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self.driver = AsyncpgDriver(connection)
        self.queries = _Queries(
            self.driver, QueryBuilderEnvironment(SETTINGS), QueryQueueBuilder(SETTINGS), QuerySchedulerBuilder(SETTINGS)
        )

    async def states(self) -> list[QueueState]:
        """How many jobs there are of each kind and state."""
        rows: list[dict[str, Any]] = await self.driver.fetch(_STATES)
        return [QueueState(row["entrypoint"], row["state"], row["count"], row["oldest"]) for row in rows]

    async def dead(self, limit: int = 100) -> list[DeadJob]:
        """Work that was given up, latest first."""
        rows: list[dict[str, Any]] = await self.driver.fetch(_DEAD, limit)
        return [
            DeadJob(
                row["id"],
                row["entrypoint"],
                row["created"],
                row["updated"],
                row["tries"],
                row["reason"],
                Work.read(row["payload"], is_last_try=False),
            )
            for row in rows
        ]

    async def retry(self, job_id: int) -> bool:
        """Let dead work be tried again from the start; False when there is no such. Where the same work waits already,
        the dead one is dropped."""
        if job_id not in {job.id for job in await self.dead(limit=10_000)}:
            return False
        try:
            await self.queries.requeue_jobs([JobId(job_id)])
        except asyncpg.UniqueViolationError:
            return await self.drop(job_id)
        return True

    async def drop(self, job_id: int) -> bool:
        """Forget dead work; False when there is no such."""
        return bool(await self.driver.fetch(_DROP, job_id))

    async def times_begun(self, job_id: int) -> int:
        """How often some worker has begun a job, since it was last given up."""
        rows: list[dict[str, Any]] = await self.driver.fetch(_BEGUN, job_id)
        return int(rows[0]["count"])

    async def close(self, job_id: int) -> bool:
        """Note that a job is done; False when it was asked for again meanwhile."""
        return bool(await self.driver.fetch(_CLOSE, job_id))

    async def again(self, job_id: int) -> bytes | None:
        """The payload of a job that was asked for again, which is hereby answered; None when it is gone."""
        rows: list[dict[str, Any]] = await self.driver.fetch(_AGAIN, job_id)
        return rows[0]["payload"] if rows else None

    async def sweep(self) -> None:
        """Forget what is told of jobs that ended long ago."""
        await self.driver.execute(_SWEEP)


async def connect(system_url: str) -> asyncpg.Connection[asyncpg.Record]:
    """A connection for a queue. Raises what the driver raises."""
    return await asyncpg.connect(urls.for_asyncpg(system_url), timeout=5, command_timeout=10)
