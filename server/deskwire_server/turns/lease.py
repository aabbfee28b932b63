"""Keeps this worker's lease and takes over the turns of workers that lost theirs."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.db.system import SystemLine
from deskwire_server.turns.runner import TurnRunner
from deskwire_server.turns.tenure import Tenure, now

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
_RENEWALS, _LOOKS, _RETRIES = 3, 8, 20
"""How often in a term the lease is renewed, lost turns are looked for, and a renewal that failed is tried again."""
_FORGET_EVERY = 600.0


class WorkerLease:
    """One lease a process. `tenure` is what the worker itself may conclude from it."""

    def __init__(self, system: SystemLine, runner: TurnRunner, tenure: Tenure, *, worker_id: UUID) -> None:
        """`system` is used by nobody else: a renewal must not wait for other statements."""
        self._system = system
        self._runner = runner
        self._tenure = tenure
        self._worker_id = worker_id
        self._resigned = False

    async def renew(self) -> None:
        """Renew the lease once, in less than a term. Raises `DatabaseUnavailable`."""
        asked_at, epoch = now(), self._tenure.epoch
        try:
            await self._system.fetch(_RENEW, self._worker_id, self._tenure.term)
        except DatabaseUnavailable:
            self._tenure.failed()
            raise
        if self._resigned:
            return
        self._tenure.renewed(asked_at)
        if self._tenure.epoch != epoch:
            # Others may have taken turns over meanwhile: each is looked at before a word more is said.
            self._runner.look_at_all()

    async def keep(self) -> None:
        """Renew and take over until the worker resigns."""
        term = self._tenure.term
        renewed_at = forgot_at = -_FORGET_EVERY
        while not self._resigned:
            pause = term / _LOOKS
            try:
                if now() - renewed_at >= term / _RENEWALS - pause / 2:
                    await self.renew()
                    renewed_at = now()
                if self._tenure.may_take_over:
                    await self.take_over()
                if now() - forgot_at >= _FORGET_EVERY:
                    await self._system.fetch(_FORGET)
                    forgot_at = now()
            except DatabaseUnavailable:
                _log.warning("lease_not_renewed")
                renewed_at, pause = -_FORGET_EVERY, term / _RETRIES
            await asyncio.sleep(pause)

    async def take_over(self) -> int:
        """Begin the turns of workers whose lease is over. Returns how many were looked at."""
        lost = await self._system.fetch(_TAKE_OVER, self._worker_id, self._tenure.term, _BATCH, self._runner.held)
        for row in lost:
            self._runner.start(row["tenant_id"], row["turn_id"], row["attempt"])
        return len(lost)

    async def resign(self) -> None:
        """Give the lease up at once and for good, so that others need not wait for it to lapse."""
        self._resigned = True
        self._tenure.give_up()
        await self._system.fetch(_RESIGN, self._worker_id)
