"""Passages are found again in an article that has changed, or given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire_server.knowledge.citing import find_again

PASSAGE = "# Refunds\n\nA refund takes five days to reach your card.\n\nIt goes to the card that was charged."


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (PASSAGE, PASSAGE),
        (f"Hello.\n\n{PASSAGE}\n\nGoodbye.", PASSAGE),
        (PASSAGE.replace("five", "six"), None),
        (
            PASSAGE.replace("It goes to the card that was charged.", "It goes elsewhere."),
            "# Refunds\n\nA refund takes five days to reach your card.",
        ),
        ("Something else.", None),
        ("", None),
    ],
)
def test_find_again(content: str, found: str | None) -> None:
    span = find_again(PASSAGE, content)
    assert (None if span is None else content[span[0] : span[1]]) == found


@given(before=st.text(max_size=40), after=st.text(max_size=40))
def test_what_is_still_there_is_found_wherever_it_moved(before: str, after: str) -> None:
    content = before + PASSAGE + after
    span = find_again(PASSAGE, content)
    assert span is not None
    assert content[span[0] : span[1]] == PASSAGE


@given(content=st.lists(st.sampled_from([*PASSAGE.splitlines(keepends=True), "Other words.\n", "\r\n"])).map("".join))
def test_a_span_always_lies_in_the_article(content: str) -> None:
    span = find_again(PASSAGE, content)
    if span is not None:
        assert 0 <= span[0] < span[1] <= len(content)
        assert 2 * (span[1] - span[0]) >= len(PASSAGE)
