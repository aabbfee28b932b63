"""Reads a message once for all analyses that weigh words: its features, and its embedding where that says something."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from deskwire_server.understanding.analyses.port import MessageToAnalyse
from deskwire_server.understanding.features import Features, features
from deskwire_server.understanding.heads import Values
from deskwire_server.understanding.language import Detected, detect

_SURE = 0.5
LONG = 600
"""Code points from which on a message is read in a thread: shorter ones take less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a message shows."""

    features: Features
    vector: Values | None
    """The embedding, where the message is in the language that the local embedder knows."""
    is_foreign: bool = False
    """Whether it is in another one."""

    @property
    def values(self) -> Values:
        """The features as numbers."""
        return self.features.values


async def read(message: MessageToAnalyse) -> Reading:
    """Read `message`. The second reading of the same message costs nothing."""
    known: Reading | None = message.vector.readings.get("reading")
    if known is None:
        text = message.text.strip()
        found = features(text) if len(text) < LONG else await asyncio.to_thread(features, text)
        is_foreign = bool(text) and await language_of(message) != "en"
        vector = await message.vector.get() if text and not is_foreign else None
        known = message.vector.readings["reading"] = Reading(found, vector, is_foreign)
    return known


async def language_of(message: MessageToAnalyse) -> str:
    """The language that the text itself is in, else the user's."""
    found = await detected(message)
    return found.language if found.confidence >= _SURE else message.language or "en"


async def detected(message: MessageToAnalyse) -> Detected:
    """The language of the text, told once."""
    known: Detected | None = message.vector.readings.get("language")
    if known is None:
        known = detect(message.text) if len(message.text) < LONG else await asyncio.to_thread(detect, message.text)
        message.vector.readings["language"] = known
    return known
