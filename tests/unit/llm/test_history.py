"""The window of history that a model sees."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deskwire_server.llm.history import estimated_tokens, from_first_question, within_budget
from deskwire_server.llm.port import ChatMessage

messages = st.lists(st.builds(ChatMessage, st.sampled_from(["user", "assistant"]), st.text(max_size=60)), max_size=12)


@given(messages, st.integers(0, 80))
def test_the_newest_that_fit_stay_in_order(window: list[ChatMessage], budget: int) -> None:
    kept = within_budget(window, budget)

    assert kept == window[len(window) - len(kept) :]
    assert sum(estimated_tokens(each.content) for each in kept) <= budget
    if len(kept) < len(window):
        following = window[len(window) - len(kept) - 1]
        assert sum(estimated_tokens(each.content) for each in [following, *kept]) > budget


@given(messages)
def test_a_window_begins_with_a_question(window: list[ChatMessage]) -> None:
    begun = from_first_question(window)

    assert not begun or begun[0].role == "user"
    assert begun == window[len(window) - len(begun) :]


def test_tokens_are_estimated_by_four_characters() -> None:
    assert [estimated_tokens("a" * length) for length in (0, 1, 4, 5)] == [0, 1, 1, 2]
