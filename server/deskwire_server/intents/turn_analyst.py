"""Reads the questions of a chat: by the tenant's trained head where there is one, else by the starter set."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from deskwire_server.errors import Unavailable
from deskwire_server.intents.classifier import Classifier
from deskwire_server.intents.heads.head import OUT_OF_SCOPE
from deskwire_server.intents.models import Classified, OfferedAction
from deskwire_server.knowledge.tenant_names import TenantNames
from deskwire_server.understanding import SuggestedAction, Understanding
from deskwire_server.understanding.service import Understood


class TurnAnalyst:
    """Safe for concurrent use. Without a trained head it costs a look into memory, and every two seconds a query."""

    def __init__(self, classifier: Classifier, understanding: Understanding, names: TenantNames | None = None) -> None:
        """`understanding` tells entities and language in any case, and the intent where nothing was trained.

        `names` knows the products and integrations of tenants.
        """
        self._classifier = classifier
        self._understanding = understanding
        self._names = names

    async def analyse(self, tenant_id: UUID, text: str, history: Sequence[str] = ()) -> Understood:
        """What `text` wants. Never fails for want of an embedder or a head."""
        understood, classified = await asyncio.gather(
            self._understood(tenant_id, text, history), self._trained(tenant_id, text)
        )
        if classified is None or classified.intent == OUT_OF_SCOPE:
            # What is none of the tenant's own matters may still be a greeting, or the wish for a person.
            return understood
        return replace(
            understood,
            intent=classified.intent,
            confidence=round(classified.confidence, 3),
            suggested_actions=tuple(_button(action) for action in classified.actions),
        )

    async def _understood(self, tenant_id: UUID, text: str, history: Sequence[str]) -> Understood:
        gazetteer = await self._names.get(tenant_id) if self._names is not None else None
        return await self._understanding.analyse(text, history, gazetteer=gazetteer)

    async def _trained(self, tenant_id: UUID, text: str) -> Classified | None:
        try:
            return await self._classifier.classify_trained(tenant_id, text)
        except Unavailable:
            return None


def _button(action: OfferedAction) -> SuggestedAction:
    """As answers offer it; what a tenant left open is a link."""
    return SuggestedAction(
        action.id,
        action.label,
        "escalate" if action.type == "escalate" else "link",
        action.action,
        "primary" if action.variant == "primary" else "outline",
    )
