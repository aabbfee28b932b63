"""What reading texts needs is loaded once, and never on the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from deskwire_server.understanding import loading
from deskwire_server.understanding.analyses import MessageToAnalyse, Registry


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """The threads in which it was loaded, in a process that has loaded nothing yet."""
    threads: list[threading.Thread] = []
    monkeypatch.setattr(loading, "_loaded", threading.Event())
    monkeypatch.setattr(loading, "_load", lambda: threads.append(threading.current_thread()))
    return threads


async def test_it_is_loaded_once_and_in_a_thread(loads: list[threading.Thread]) -> None:
    await asyncio.gather(*(loading.ready() for _ in range(5)))
    await loading.ready()
    assert len(loads) == 1
    assert loads[0] is not threading.main_thread()


async def test_a_message_is_read_after_loading(loads: list[threading.Thread]) -> None:
    await Registry().analyse(MessageToAnalyse.of("Where is my parcel?", None), ["language"])
    assert len(loads) == 1


async def test_it_is_tried_again_after_a_failure(
    loads: list[threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("no such file")

    load = loading._load
    monkeypatch.setattr(loading, "_load", fail)
    with pytest.raises(OSError, match="no such file"):
        await loading.ready()
    monkeypatch.setattr(loading, "_load", load)
    await loading.ready()
    assert len(loads) == 1
