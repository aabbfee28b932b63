"""A step that is done until what it needs is there again."""

from __future__ import annotations

import pytest

from deskwire_server import monitor
from deskwire_server.errors import Unavailable


async def test_a_step_is_done_again_until_it_succeeds() -> None:
    tries = 0

    async def step() -> str:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise Unavailable("away")
        return "done"

    assert await monitor.insist(step, patience=10, pause=0.001, longest_pause=0.002) == "done"
    assert tries == 4


async def test_patience_ends_and_other_errors_end_it_at_once() -> None:
    tries = 0

    async def away() -> None:
        nonlocal tries
        tries += 1
        raise Unavailable("away")

    async def wrong() -> None:
        nonlocal tries
        tries += 1
        raise ValueError("wrong")

    with pytest.raises(Unavailable):
        await monitor.insist(away, patience=0.01, pause=0.02, longest_pause=0.02)
    assert tries == 2
    with pytest.raises(ValueError, match="wrong"):
        await monitor.insist(wrong, patience=10, pause=0.001, longest_pause=0.001)
    assert tries == 3
