"""Whether a call that failed got to the provider: one that did not costs nothing."""

from __future__ import annotations

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

    assert not (await failed(wire, url)).reached


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
