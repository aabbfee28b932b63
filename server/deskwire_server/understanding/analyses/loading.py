"""Loads what the analyses need at start, so that the first message does not wait for it."""

from __future__ import annotations

import asyncio

from deskwire_server.understanding.entities import EntityFinder
from deskwire_server.understanding.entities.addresses import load_phone_numbers
from deskwire_server.understanding.features import features
from deskwire_server.understanding.heads import probabilities
from deskwire_server.understanding.language import detect


async def warm_up() -> None:
    """Load models, word lists and numbering plans in a thread: less than a second, about 40 MB."""
    await asyncio.to_thread(_load)


def _load() -> None:
    text = "Hello, is the parcel of Monday there? Call +1 650 253 0000"
    detect(text)
    EntityFinder().find(text)
    probabilities("sentiment", features(text).values, None)
    load_phone_numbers()
