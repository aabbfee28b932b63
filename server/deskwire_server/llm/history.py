"""Makes a window of history one that every protocol takes and that fits a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from deskwire_server.llm.port import ChatMessage

_CHARACTERS_A_TOKEN = 4


def from_first_question(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """`messages` from the first one of the user on.

    A window cut out of a longer conversation may begin with an answer, or with a tool's result whose call was left
    behind, and both protocols refuse the latter, Anthropic's the former as well.
    """
    first = next((place for place, message in enumerate(messages) if message.role == "user"), len(messages))
    return list(messages[first:])


def estimated_tokens(text: str) -> int:
    """Tokens of a text, four characters each, as providers advise where nothing better is known."""
    return -(-len(text) // _CHARACTERS_A_TOKEN)


def within_budget(messages: Sequence[ChatMessage], budget: int) -> list[ChatMessage]:
    """The newest of `messages` that fit into `budget` tokens together, oldest first.

    None is cut, and none is left out between two that stay: the window only begins later.
    """
    kept: list[ChatMessage] = []
    left = budget
    for message in reversed(messages):
        left -= estimated_tokens(message.content)
        if left < 0:
            break
        kept.append(message)
    return kept[::-1]
