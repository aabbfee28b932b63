"""Loads what reading texts needs, in a thread before the first text is read: at start, or never where none is read."""

from __future__ import annotations

import asyncio
import importlib
import threading

from deskwire_server.understanding.entities import EntityFinder
from deskwire_server.understanding.entities.addresses import load_phone_numbers
from deskwire_server.understanding.features import features
from deskwire_server.understanding.heads import probabilities
from deskwire_server.understanding.language import detect

_LIBRARIES = ("markdown_it", "snowballstemmer", "rapidfuzz")
"""Imported where they are used, so that a worker that reads no texts goes without them."""
_loading = threading.Lock()
_loaded = threading.Event()


async def ready() -> None:
    """Return once models, word lists and numbering plans are loaded: at once, or within a second the first time.

    To be awaited by whatever reads texts on the event loop, which loading them there would hold up.
    """
    if not _loaded.is_set():
        await asyncio.to_thread(_load_once)


def _load_once() -> None:
    with _loading:
        if not _loaded.is_set():
            _load()
            _loaded.set()


def _load() -> None:
    for library in _LIBRARIES:
        importlib.import_module(library)
    text = "Hello, is the parcel of Monday there? Call +1 650 253 0000"
    detect(text)
    EntityFinder().find(text)
    probabilities("sentiment", features(text).values, None)
    load_phone_numbers()
