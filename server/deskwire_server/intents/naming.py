"""What an intent's name and description say, as further examples of it: they tell much where there are few."""

from __future__ import annotations

from collections.abc import Sequence

from deskwire_server.intents.heads.head import OUT_OF_SCOPE

COUNTS_UP_TO = 30
"""Examples of an intent up to which its name is one more."""


def texts(name: str, description: str, examples: Sequence[str]) -> list[str]:
    """The name in plain words and the description; none where there are examples enough or nothing is named."""
    if len(examples) > COUNTS_UP_TO or name == OUT_OF_SCOPE:
        return []
    spoken = " ".join(name.replace("_", " ").replace("-", " ").split())
    return [text for text in (spoken, description) if text]
