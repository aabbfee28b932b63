"""Takes due synchronisations, one at a time on a worker, and holds each under a lease while it runs."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from deskwire_server import monitor
from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.db.system import SystemDatabase
from deskwire_server.sources import store
from deskwire_server.sources.models import Due
from deskwire_server.sources.sync import Lost, Synchroniser

_log = structlog.get_logger(__name__)
_LEASE = 60.0
_EVERY = 15.0


class SourceQueue:
    """The loop of one worker. A worker that dies leaves its synchronisation to the others when the lease is over."""

    def __init__(self, system: SystemDatabase, synchroniser: Synchroniser, worker_id: UUID) -> None:
        self._system = system
        self._synchroniser = synchroniser
        self._worker_id = worker_id
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look at once rather than in some seconds."""
        self._woken.set()

    async def run(self) -> None:
        """Work for ever."""
        await monitor.keep_looking(self.step, self._woken, every=_EVERY)

    async def step(self) -> None:
        """Do all synchronisations that are due, one after another. Raises `DatabaseUnavailable`."""
        while rows := await self._system.fetch(store.CLAIM, self._worker_id, _LEASE):
            due = Due(rows[0]["tenant_id"], rows[0]["source_id"], rows[0]["attempt"], rows[0]["refetch"])
            work = asyncio.create_task(self._synchroniser.run(due), name=f"source-{due.source_id}")
            hold = asyncio.create_task(self._hold(due, work), name=f"source-lease-{due.source_id}")
            try:
                await work
            except Lost:
                _log.info("source_taken_over", source=str(due.source_id))
            except asyncio.CancelledError:
                if not hold.done():
                    # This worker goes away: another one begins anew at once.
                    await asyncio.shield(self._system.fetch(store.RELEASE, due.tenant_id, due.source_id, due.attempt))
                    raise
            finally:
                hold.cancel()

    async def _hold(self, due: Due, work: asyncio.Task[None]) -> None:
        """Renew the lease while the work goes on; stop the work when the lease is lost."""
        while True:
            await asyncio.sleep(_LEASE / 4)
            try:
                held = await self._system.fetch(store.RENEW, due.tenant_id, due.source_id, due.attempt, _LEASE)
            except DatabaseUnavailable:
                continue  # Nothing can be written meanwhile, and what is written later asks for the lease.
            if not held:
                break
        work.cancel()
