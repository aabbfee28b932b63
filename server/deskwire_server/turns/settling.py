"""Books what attempts have cost that could not end their turns, however long the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog

from deskwire_server import monitor
from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.turns.models import Claim, Json
from deskwire_server.turns.records import TurnRecords

_log = structlog.get_logger(__name__)
_PATIENCE = 600
"""How often booking is tried, once a second. What is not booked then stands as an estimate already."""
_FAREWELL = 1.0
_MOST_NOTED = 10_000


class Settling:
    """Books in tasks of its own. Whatever it does not get done, the next attempt of the turn has estimated."""

    def __init__(self, records: TurnRecords) -> None:
        self._records = records
        self._idle: set[tuple[UUID, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def note_idle(self, turn_id: UUID, attempt: int) -> None:
        """An attempt that may have been begun for nothing: it made no call."""
        if len(self._idle) < _MOST_NOTED:
            self._idle.add((turn_id, attempt))

    def begin(self, claim: Claim) -> None:
        """A turn is ours: say of the attempt before that it made no call, if that was noted."""
        before = (claim.turn_id, claim.attempt - 1)
        if before in self._idle:
            self._idle.discard(before)
            self._book(claim.tenant_id, *before, usage=())

    def settle(self, claim: Claim, usage: Sequence[Json]) -> None:
        """Book what an attempt has cost, nothing where `usage` is empty."""
        self._book(claim.tenant_id, claim.turn_id, claim.attempt, usage=tuple(usage))

    async def close(self) -> None:
        """Finish what can be finished soon."""
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=_FAREWELL)
            await monitor.end(left)

    def _book(self, tenant_id: UUID, turn_id: UUID, attempt: int, *, usage: Sequence[Json]) -> None:
        task = asyncio.create_task(self._insist(tenant_id, turn_id, attempt, usage), name=f"settle-{turn_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _insist(self, tenant_id: UUID, turn_id: UUID, attempt: int, usage: Sequence[Json]) -> None:
        for _ in range(_PATIENCE):
            try:
                await self._records.settle(tenant_id, turn_id, attempt, usage)
                return
            except DatabaseUnavailable:
                await asyncio.sleep(1.0)
        _log.error("usage_not_booked", turn=str(turn_id), attempt=attempt)
