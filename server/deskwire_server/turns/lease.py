"""Keeps this worker's lease and takes over the turns of workers that lost theirs."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.db.system import SystemDatabase
from deskwire_server.turns.runner import TurnRunner

_log = structlog.get_logger(__name__)

_RENEW = """
    INSERT INTO workers (id, lease_until) VALUES ($1, now() + $2 * interval '1 second')
    ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
"""
# Turns of our own are listed too: one that could not be begun while Postgres was away is begun now. Those that run here
# are left out, else they would fill the batch.
_TAKE_OVER = """
    UPDATE runnable_turns r SET worker_id = $1
    FROM (SELECT tenant_id, turn_id FROM runnable_turns t
          WHERE t.created_at < now() - $2 * interval '1 second' AND t.turn_id <> ALL ($4::uuid[])
            AND (t.worker_id = $1
                 OR NOT EXISTS (SELECT FROM workers w WHERE w.id = t.worker_id AND w.lease_until > now()))
          ORDER BY t.turn_id LIMIT $3 FOR UPDATE SKIP LOCKED) lost
    WHERE r.tenant_id = lost.tenant_id AND r.turn_id = lost.turn_id
    RETURNING r.tenant_id, r.turn_id, r.attempt
"""
_FORGET = "DELETE FROM workers WHERE lease_until < now() - interval '1 hour'"
_RESIGN = "DELETE FROM workers WHERE id = $1"
_BATCH = 50


class WorkerLease:
    """One lease a process. Renewed three times a term; turns of lapsed workers are taken over in the same rhythm."""

    def __init__(self, system: SystemDatabase, runner: TurnRunner, *, worker_id: UUID, term: float) -> None:
        self._system = system
        self._runner = runner
        self._worker_id = worker_id
        self._term = term

    async def renew(self) -> None:
        """Renew the lease once. Raises `DatabaseUnavailable`."""
        await self._system.fetch(_RENEW, self._worker_id, self._term)

    async def keep(self) -> None:
        """Renew and take over for ever."""
        while True:
            try:
                await self.renew()
                await self.take_over()
                await self._system.fetch(_FORGET)
            except DatabaseUnavailable:
                _log.warning("lease_not_renewed")
            await asyncio.sleep(self._term / 3)

    async def take_over(self) -> int:
        """Begin the turns of workers whose lease is over. Returns how many were looked at."""
        lost = await self._system.fetch(_TAKE_OVER, self._worker_id, self._term, _BATCH, self._runner.held)
        for row in lost:
            self._runner.start(row["tenant_id"], row["turn_id"], row["attempt"])
        return len(lost)

    async def resign(self) -> None:
        """Give the lease up at once, so that others need not wait for it to lapse."""
        await self._system.fetch(_RESIGN, self._worker_id)
