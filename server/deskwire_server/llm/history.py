"""Makes a window of history one that every protocol takes."""

from __future__ import annotations

from collections.abc import Sequence

from deskwire_server.llm.port import ChatMessage


def from_first_question(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """`messages` from the first one of the user on.

    A window cut out of a longer conversation may begin with an answer, or with a tool's result whose call was left
    behind, and both protocols refuse the latter, Anthropic's the former as well.
    """
    first = next((place for place, message in enumerate(messages) if message.role == "user"), len(messages))
    return list(messages[first:])
