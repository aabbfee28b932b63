"""Tells the worker of an answer that somebody watches it here: not to take it for abandoned, and to let it be read."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from deskwire_server.turns.records import TurnRecords

_MOST_NOTED = 10_000


class Presence:
    """Notes watched conversations whose answers other workers write; each at most once an interval."""

    def __init__(self, records: TurnRecords, *, interval: float, want: Callable[[UUID], None]) -> None:
        """`interval` in seconds: a fraction of the shortest grace that a tenant may set. `want` asks for the text."""
        self._records = records
        self._want = want
        self._interval = interval
        self._noted: dict[UUID, float] = {}

    async def note(self, tenant_id: UUID, conversation_id: UUID) -> None:
        """Somebody watches now. Raises `DatabaseUnavailable`."""
        self._want(conversation_id)
        now = time.monotonic()
        if now - self._noted.get(conversation_id, -self._interval) < self._interval:
            return
        if len(self._noted) >= _MOST_NOTED:
            self._noted = {key: at for key, at in self._noted.items() if now - at < self._interval}
        self._noted[conversation_id] = now
        await self._records.watched(tenant_id, conversation_id)
