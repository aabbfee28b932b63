"""Gives passages their vectors that could not have them yet: the embedder was away, or another one came into use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

import structlog

from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.knowledge.service import KnowledgeService

_log = structlog.get_logger(__name__)


class CatchingUp:
    """Looks after the tenants that this worker serves. Two workers that do the same write the same."""

    def __init__(self, knowledge: KnowledgeService, tenants: Callable[[], Iterable[UUID]]) -> None:
        self._knowledge = knowledge
        self._tenants = tenants

    async def step(self) -> None:
        """Embed what waits, of every tenant in turn. An absent embedder is left in peace until the next step."""
        for tenant_id in self._tenants():
            try:
                done = await self._knowledge.embed_pending(tenant_id)
            except EmbedderUnavailable as error:
                _log.info("catching_up_postponed", reason=error.message)
                return
            if done:
                _log.info("caught_up", tenant_id=str(tenant_id), passages=done)
