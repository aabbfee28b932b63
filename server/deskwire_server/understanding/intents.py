"""The starter intents, read from their data file once."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from deskwire_server.understanding.actions import SuggestedAction

FALLBACK_INTENT = "general_help"
"""Taken where nothing speaks for any other."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One intent that a message may have."""

    name: str
    examples: tuple[str, ...]
    words: frozenset[str]
    """Words that speak for it where there are no vectors."""
    actions: tuple[SuggestedAction, ...]


@lru_cache(maxsize=1)
def starter_intents() -> tuple[Intent, ...]:
    """The intents that work before any training."""
    data = tomllib.loads(resources.files(__package__).joinpath("intents.toml").read_text(encoding="utf-8"))
    return tuple(
        Intent(
            name=name,
            examples=tuple(entry["examples"]),
            words=frozenset(entry["words"].split()),
            actions=tuple(SuggestedAction(**action) for action in entry["actions"]),
        )
        for name, entry in data.items()
    )
