"""Providers that look for text at intervals: one piece for what came meanwhile, and nothing lost."""

from __future__ import annotations

import time

import pytest

from deskwire_server.llm.http import Timeouts
from deskwire_server.llm.port import FinishReason, ProviderError, TextChunk
from deskwire_server.llm.stream import StreamingProvider
from tests.support.fake_provider import FakeProvider, Script
from tests.support.fake_provider.providers import WIRES, Connect, ask, collect, finish_of, rested, text_of

pytestmark = [pytest.mark.enable_socket, pytest.mark.parametrize("wire", WIRES)]

TEXT = " ".join(f"word{number}" for number in range(30))
PAUSE = 0.1


async def test_the_first_text_comes_at_once_and_later_text_in_few_pieces(
    fake: FakeProvider, wire: str, connect: Connect
) -> None:
    fake.enqueue(Script(text=TEXT, pace=0.01))
    provider = connect(wire, fake, timeouts=Timeouts(pause=PAUSE))
    began, pieces, first = time.monotonic(), [], 0.0
    async for event in provider.stream(ask()):
        if isinstance(event, TextChunk):
            first = first or time.monotonic() - began
            pieces.append(event.text)
    assert "".join(pieces) == TEXT
    assert len(pieces[0]) < len(TEXT) / 4
    assert 2 <= len(pieces) <= 12
    assert first < 1


async def test_the_connection_serves_the_next_call(fake: FakeProvider, wire: str, connect: Connect) -> None:
    fake.enqueue(Script(text=TEXT, pace=0.01), Script(text="Again."))
    provider = connect(wire, fake, timeouts=Timeouts(pause=PAUSE))
    assert finish_of(await collect(provider)).reason is FinishReason.STOP
    await rested(provider)
    assert text_of(await collect(provider)) == "Again."
    assert fake.requests[0].connection == fake.requests[1].connection


@pytest.mark.parametrize("cut_at", [4, 12, 25])
async def test_text_that_came_before_a_cut_is_given_out(
    fake: FakeProvider, wire: str, connect: Connect, cut_at: int
) -> None:
    fake.enqueue(Script(text=TEXT, pace=0.01, cut_at=cut_at), Script(text=TEXT, pace=0.01, cut_at=cut_at))
    at_once = await _until_cut(connect(wire, fake, timeouts=Timeouts()))
    with_pauses = await _until_cut(connect(wire, fake, timeouts=Timeouts(pause=PAUSE)))
    assert at_once
    assert at_once == with_pauses
    assert TEXT.startswith(with_pauses)


async def _until_cut(provider: StreamingProvider) -> str:
    """The text that came before the connection broke."""
    pieces: list[str] = []

    async def read() -> None:
        async for event in provider.stream(ask()):
            if isinstance(event, TextChunk):
                pieces.append(event.text)

    with pytest.raises(ProviderError) as raised:
        await read()
    assert raised.value.kind == "cut"
    return "".join(pieces)
