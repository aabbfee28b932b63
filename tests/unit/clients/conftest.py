"""A fake server and a client to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deskwire_client import DeskwireClient, RetryPolicy
from tests.support.fake_deskwire import FakeDeskwire

FAST = RetryPolicy(initial_delay=0.005, max_delay=0.05, call_for=3.0, resume_for=5.0)


@pytest.fixture
async def server() -> AsyncIterator[FakeDeskwire]:
    """A fake server on a free port."""
    async with FakeDeskwire() as fake:
        yield fake


@pytest.fixture
async def client(server: FakeDeskwire) -> AsyncIterator[DeskwireClient]:
    """A client that repeats quickly."""
    async with DeskwireClient(server.address, token="t", retry=FAST) as connected:
        yield connected
