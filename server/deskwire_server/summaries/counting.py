"""Keeps what calls for titles and summaries have cost, also where the database is away at that moment."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from deskwire_server import monitor
from deskwire_server.db.engine import Database
from deskwire_server.errors import Unavailable
from deskwire_server.ids import uuid7
from deskwire_server.jobs.models import Work
from deskwire_server.summaries import store

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_AT_END = 1.5
"""Seconds that a worker which ends gives to what is not kept yet."""
_log = structlog.get_logger(__name__)


class Counting:
    """Writes rows of usage, each once. A row outlives the job that it belongs to, which an outage ends."""

    def __init__(self, database: Database, *, patience: float = 600.0) -> None:
        """`patience` in seconds, for an outage; what can't be kept by then is logged."""
        self._database = database
        self._patience = patience
        self._running: set[asyncio.Task[None]] = set()

    async def keep(self, work: Work, spent: dict[str, Any]) -> None:
        """Keep what a call has cost; returns when it is kept or given up. A cancellation leaves it to go on."""
        task = asyncio.create_task(self._keep(work, spent), name="count-call")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """Wait a moment for what is not kept yet."""
        if self._running:
            await asyncio.wait(self._running, timeout=_AT_END)
        for task in self._running:
            _log.error("usage_not_kept", task=task.get_name())
        await monitor.end(self._running)

    async def _keep(self, work: Work, spent: dict[str, Any]) -> None:
        # An answer that is lost on its way leaves open whether the row is there: the same id again changes nothing.
        row_id = uuid7()

        async def write() -> None:
            async with self._database.transaction(work.tenant_id) as connection:
                await store.count_call(connection, work.tenant_id, work.turn_id, row_id, spent)

        try:
            await monitor.insist(write, patience=self._patience, pause=_FIRST_PAUSE, longest_pause=_LONGEST_PAUSE)
        except Unavailable as error:
            _log.error("usage_not_kept", turn=str(work.turn_id), reason=error.message, **spent)
