"""Questions of chats: the tenant's trained head decides where it knows the intent, the starter set everywhere else."""

from __future__ import annotations

from typing import cast
from uuid import UUID, uuid4

import pytest

from deskwire_server.errors import Unavailable
from deskwire_server.intents.classifier import Classifier
from deskwire_server.intents.models import Classified, OfferedAction
from deskwire_server.intents.turn_analyst import TurnAnalyst
from deskwire_server.understanding import Understanding

QUESTION = "Where can I find my invoice of 99 USD?"


class Heads:
    """Answers as a classifier with this outcome does."""

    def __init__(self, outcome: Classified | Exception | None) -> None:
        self._outcome = outcome

    async def classify_trained(self, tenant_id: UUID, message: str) -> Classified | None:
        assert message == QUESTION
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


async def intent_with(outcome: Classified | Exception | None) -> tuple[str, float, tuple[str, ...]]:
    analyst = TurnAnalyst(cast("Classifier", Heads(outcome)), Understanding())
    found = await analyst.analyse(uuid4(), QUESTION)
    assert found.entities["amount"]
    assert found.language == "en"
    return found.intent, found.confidence, tuple(action.id for action in found.suggested_actions)


async def test_a_trained_head_decides() -> None:
    mine = Classified("find_invoice", 0.91, (), "trained", actions=(OfferedAction("open_invoices", "Open"),))
    assert await intent_with(mine) == ("find_invoice", 0.91, ("open_invoices",))


@pytest.mark.parametrize("outcome", [None, Classified("out_of_scope", 0.9, (), "trained"), Unavailable("away")])
async def test_the_starter_set_decides_elsewhere(outcome: Classified | Exception | None) -> None:
    intent, _, actions = await intent_with(outcome)
    assert intent == "billing"
    assert "view_billing" in actions
