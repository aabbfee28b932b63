"""A fake provider and Deskwire's providers that call it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from deskwire_server.llm.http import Timeouts
from deskwire_server.llm.stream import StreamingProvider
from tests.support.fake_provider import FakeProvider
from tests.support.fake_provider.providers import Connect, provider_for


@pytest.fixture
async def fake() -> AsyncGenerator[FakeProvider]:
    """A fake provider of this test alone."""
    async with FakeProvider() as server:
        yield server


@pytest.fixture
async def connect() -> AsyncGenerator[Connect]:
    """See `Connect`."""
    made: list[StreamingProvider] = []

    def make(wire: str, fake: FakeProvider | str, *, timeouts: Timeouts | None = None) -> StreamingProvider:
        made.append(provider_for(wire, fake, timeouts=timeouts))
        return made[-1]

    yield make
    for provider in made:
        await provider.close()
