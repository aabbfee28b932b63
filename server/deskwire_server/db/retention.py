"""Removes events and request ids that are kept long enough, of every tenant, in small steps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.db.system import SystemDatabase

_log = structlog.get_logger(__name__)
_EVERY = 600.0
_FIRST_AFTER = 60.0
_BETWEEN = 0.05
"""Seconds between two batches, in which others get their turn."""
_BATCH, _TENANTS = 1_000, 500


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed."""

    events: int = 0
    request_ids: int = 0


class Retention:
    """Sweeps in every worker; the database lets one at a time."""

    def __init__(self, system: SystemDatabase, *, event_days: float, request_hours: float) -> None:
        """`event_days` of 0 keeps events for ever."""
        self._system = system
        self._events = timedelta(days=event_days) if event_days else None
        self._requests = timedelta(hours=request_hours)

    async def keep(self) -> None:
        """Sweep for ever."""
        await asyncio.sleep(_FIRST_AFTER)
        while True:
            try:
                swept = await self.sweep()
                if swept != Swept():
                    _log.info("retention_swept", events=swept.events, request_ids=swept.request_ids)
            except DatabaseUnavailable:
                _log.warning("retention_postponed")
            await asyncio.sleep(_EVERY)

    async def sweep(self) -> Swept:
        """Remove everything that is due, of every tenant. Raises `DatabaseUnavailable`."""
        events = ids = 0
        after: UUID | None = None
        while True:
            page = await self._system.fetch("SELECT * FROM retention_tenants($1, $2) AS id", after, _TENANTS)
            for row in page:
                swept = await self._sweep_tenant(row["id"])
                events, ids = events + swept.events, ids + swept.request_ids
            if len(page) < _TENANTS:
                return Swept(events, ids)
            after = page[-1]["id"]

    async def _sweep_tenant(self, tenant_id: UUID) -> Swept:
        events = ids = 0
        while True:
            rows = await self._system.fetch(
                "SELECT * FROM retention_sweep($1, $2, $3, $4)", tenant_id, self._events, self._requests, _BATCH
            )
            if not rows:
                return Swept(events, ids)
            removed = rows[0]["events"], rows[0]["turns"] + rows[0]["requests"]
            events, ids = events + removed[0], ids + removed[1]
            if not any(removed):
                return Swept(events, ids)
            await asyncio.sleep(_BETWEEN)
