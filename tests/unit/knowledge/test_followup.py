"""Questions that lean on what was said before get it; others stand as they are."""

from __future__ import annotations

import pytest

from deskwire_server.knowledge.followup import stand_alone

HISTORY = ("Hi", "Hello!", "How many steps has a funnel?", "At most 8.")


@pytest.mark.parametrize(
    "question", ["ours has eleven", "and yearly?", "Can I change that later?", "Und danach?", "Who counts as those?"]
)
def test_leans(question: str) -> None:
    standing = stand_alone(question, HISTORY)
    assert standing is not None
    assert standing.leans
    assert standing.text == f"How many steps has a funnel? At most 8. {question}"


@pytest.mark.parametrize(
    "question",
    ["How do I download last year's invoices as PDF files?", "Is there a limit on the number of team members?"],
)
def test_stands(question: str) -> None:
    standing = stand_alone(question, HISTORY)
    assert standing is not None
    assert not standing.leans


@pytest.mark.parametrize("history", [(), ("",), (" ", "\n")])
def test_without_history(history: tuple[str, ...]) -> None:
    assert stand_alone("and that?", history) is None


def test_long_answers_are_shortened() -> None:
    standing = stand_alone("why?", ("q", "word " * 1000))
    assert standing is not None
    assert len(standing.text) < 700
