"""Whether a call that failed got to the provider: one that did not costs nothing."""

from __future__ import annotations

import asyncio

import pytest

from deskwire_server.llm.port import ProviderError
from tests.support.fake_provider import FakeProvider, Script
from tests.support.fake_provider.providers import WIRES, collect, provider_for


async def failed(wire: str, fake: FakeProvider | str) -> ProviderError:
    provider = provider_for(wire, fake)
    try:
        with pytest.raises(ProviderError) as caught:
            await collect(provider)
    finally:
        await provider.close()
    return caught.value


@pytest.mark.parametrize("wire", WIRES)
async def test_nobody_listens(wire: str) -> None:
    async with FakeProvider() as fake:
        url = fake.url

    assert (await failed(wire, url)).reached is False


@pytest.mark.parametrize("wire", WIRES)
async def test_who_was_sent_the_call_says_nothing_and_is_gone(wire: str) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await failed(wire, f"http://127.0.0.1:{port}")).reached is None


@pytest.mark.parametrize("wire", WIRES)
async def test_the_answer_breaks_off(wire: str) -> None:
    async with FakeProvider() as fake:
        fake.enqueue(Script(text="one two three", cut_at=2))
        assert (await failed(wire, fake)).reached


@pytest.mark.parametrize("wire", WIRES)
async def test_the_provider_refuses(wire: str) -> None:
    async with FakeProvider() as fake:
        fake.enqueue(Script(status=503))
        assert (await failed(wire, fake)).reached
