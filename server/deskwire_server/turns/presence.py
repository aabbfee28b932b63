"""Tells the worker of an answer that somebody watches it here, so that it is not taken for abandoned."""

from __future__ import annotations

import time
from uuid import UUID

from deskwire_server.turns.records import TurnRecords

_MOST_NOTED = 10_000


class Presence:
    """Notes watched conversations whose answers other workers write; each at most once an interval."""

    def __init__(self, records: TurnRecords, *, interval: float) -> None:
        """`interval` in seconds: a fraction of the shortest grace that a tenant may set."""
        self._records = records
        self._interval = interval
        self._noted: dict[UUID, float] = {}

    async def note(self, tenant_id: UUID, conversation_id: UUID) -> None:
        """Somebody watches now. Raises `DatabaseUnavailable`."""
        now = time.monotonic()
        if now - self._noted.get(conversation_id, -self._interval) < self._interval:
            return
        if len(self._noted) >= _MOST_NOTED:
            self._noted = {key: at for key, at in self._noted.items() if now - at < self._interval}
        self._noted[conversation_id] = now
        await self._records.watched(tenant_id, conversation_id)
