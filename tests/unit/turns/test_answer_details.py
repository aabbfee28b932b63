"""What is kept of an answer besides its text."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from deskwire_server.llm.port import Finished, FinishReason, Usage
from deskwire_server.turns.answering import Attempt, details
from deskwire_server.turns.models import Claim
from deskwire_server.understanding.service import Understood


def attempt(intent: str, *, grounded: bool | None) -> Attempt:
    finished = Finished(FinishReason.STOP, "m", Usage(1, 1), confidence=0.1, grounded=grounded)
    claim = cast(Claim, SimpleNamespace(accepted_at=datetime.now(UTC)))
    return Attempt(claim, understood=Understood(intent, 0.2), finished=finished)


@pytest.mark.parametrize("intent", ["greeting", "gratitude", "goodbye"])
def test_what_evidence_was_sought_for_is_no_small_talk(intent: str) -> None:
    # "halibut sauce" reads a little like thanks; declined as small talk it would never become an open question.
    assert details(attempt(intent, grounded=False))["intent"] == "general_help"
    assert details(attempt(intent, grounded=True))["intent"] == "general_help"


def test_small_talk_and_other_intents_stay() -> None:
    assert details(attempt("gratitude", grounded=None))["intent"] == "gratitude"
    assert details(attempt("human_wanted", grounded=False))["intent"] == "human_wanted"
    assert details(attempt("billing", grounded=False))["intent"] == "billing"
