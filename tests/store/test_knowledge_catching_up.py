"""Passages that came in while the embedder was away get their vectors by themselves."""

from __future__ import annotations

from deskwire_server.knowledge.catching_up import CatchingUp
from tests.support.knowledge import knowledge_on
from tests.support.postgres import TestPostgres


async def test_what_waits_is_embedded_once_the_embedder_is_back(postgres: TestPostgres) -> None:
    async with knowledge_on(postgres) as knowledge:
        knowledge.embedder.away = True
        (result,) = await knowledge.load(("a.md", "# Invoices\n\nInvoices are sent on the first of the month."))
        assert result.pending > 0
        catching_up = CatchingUp(knowledge.service, lambda: [knowledge.admin.tenant_id])
        await catching_up.step()
        assert not knowledge.embedder.calls

        knowledge.embedder.away = False
        await catching_up.step()
        assert sum(knowledge.embedder.calls) >= result.pending
        assert await knowledge.service.embed_pending(knowledge.admin.tenant_id) == 0
