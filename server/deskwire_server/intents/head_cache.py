"""Heads in this worker's memory: the tenant's trained one, renewed within seconds, and those fitted in a call."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

import structlog

from deskwire_server.db.engine import Database
from deskwire_server.intents import store, training_store
from deskwire_server.intents.heads import codec
from deskwire_server.intents.heads.head import Head
from deskwire_server.intents.models import OfferedAction

_FRESH = 2.0
"""Seconds for which the database is not asked whether there is a newer head."""
_MOST_BYTES = 256 * 1024 * 1024
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrainedHead:
    """A head with what belongs to it."""

    training_id: UUID
    embedder: str
    head: Head
    actions: dict[str, tuple[OfferedAction, ...]]
    size: int


@dataclass(frozen=True, slots=True)
class TenantState:
    """What a tenant has."""

    trained: TrainedHead | None
    example_count: int
    revision: str
    """Differs after each change of an intent."""


@dataclass(slots=True)
class _Entry:
    state: TenantState
    looked: float
    asked: float
    """When a call that fails without the database looked last."""


class HeadCache:
    """The state of tenants, the least used forgotten first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entries: OrderedDict[UUID, _Entry] = OrderedDict()
        self._locks: dict[UUID, asyncio.Lock] = {}

    async def get(self, tenant_id: UUID, *, in_turn: bool = False) -> TenantState:
        """What a tenant has, two seconds old at most. Raises `DatabaseUnavailable` when it was never read.

        What was read `in_turn` serves turns only: other calls shall tell at once that the database is away.
        """
        entry = self._entries.get(tenant_id)
        if entry is None or _is_old(entry, in_turn):
            lock = self._locks.setdefault(tenant_id, asyncio.Lock())
            try:
                async with lock:
                    entry = self._entries.get(tenant_id)
                    if entry is None or _is_old(entry, in_turn):
                        entry = await self._renew(tenant_id, entry, in_turn)
            finally:
                if not lock.locked():
                    self._locks.pop(tenant_id, None)
        self._entries.move_to_end(tenant_id)
        return entry.state

    async def _renew(self, tenant_id: UUID, entry: _Entry | None, in_turn: bool) -> _Entry:
        known = entry.state.trained if entry is not None else None
        async with self._database.transaction(tenant_id) as connection:
            active = await training_store.active_id(connection)
            count, revision = await store.revision(connection)
            stored = None
            if active is not None and (known is None or known.training_id != active):
                stored = await training_store.read_head(connection, active)
        trained = known if active is not None else None
        if stored is not None:
            trained = await self._decode(tenant_id, stored) or trained
        now = time.monotonic()
        asked = now if not in_turn else entry.asked if entry is not None else -_FRESH
        renewed = _Entry(TenantState(trained, count, revision), now, asked)
        self._entries[tenant_id] = renewed
        self._make_room()
        return renewed

    async def _decode(self, tenant_id: UUID, stored: training_store.StoredHead) -> TrainedHead | None:
        try:
            head = await asyncio.to_thread(codec.decode, stored.data)
        except codec.BadHeadError as error:
            _log.error("head_unreadable", tenant=str(tenant_id), training=str(stored.training_id), error=str(error))
            return None
        actions = {
            name: tuple(OfferedAction(**{key: str(value) for key, value in action.items()}) for action in given)
            for name, given in stored.actions.items()
        }
        return TrainedHead(stored.training_id, stored.embedder, head, actions, 2 * len(stored.data))

    def _make_room(self) -> None:
        while len(self._entries) > 1 and sum(_size(entry) for entry in self._entries.values()) > _MOST_BYTES:
            self._entries.popitem(last=False)


def _is_old(entry: _Entry, in_turn: bool) -> bool:
    return time.monotonic() - (entry.looked if in_turn else entry.asked) > _FRESH


def _size(entry: _Entry) -> int:
    return 1_000 + (entry.state.trained.size if entry.state.trained is not None else 0)
