"""Builds the room's parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from deskwire_server.db.engine import Database
from deskwire_server.db.system import SystemDatabase
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.rpc.paging import PageTokens
from deskwire_server.settings import Settings
from deskwire_server.sources.addresses import AddressGuard
from deskwire_server.sources.queue import SourceQueue
from deskwire_server.sources.service import SourceService
from deskwire_server.sources.servicer import SourceServicer
from deskwire_server.sources.sync import Synchroniser


@dataclass(frozen=True, slots=True)
class Sources:
    """What a worker needs of the room."""

    servicer: SourceServicer
    background: Callable[[], Awaitable[None]]


def build(
    settings: Settings,
    *,
    database: Database,
    system: SystemDatabase,
    knowledge: KnowledgeService,
    pages: PageTokens,
    worker_id: UUID,
) -> Sources:
    """The room of one worker."""
    guard = AddressGuard(settings.provider_allowed_nets)
    queue = SourceQueue(system, Synchroniser(database, knowledge, guard), worker_id)
    return Sources(SourceServicer(SourceService(database, knowledge, guard, queue.wake), pages), queue.run)
