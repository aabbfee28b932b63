"""A worker that leaves lets its answers end, as long as it may."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast
from uuid import uuid4

from deskwire_server.turns.runner import TurnRunner

NOBODY = cast(Any, None)


def runner() -> TurnRunner:
    return TurnRunner(
        store=NOBODY, records=NOBODY, hub=NOBODY, tenure=NOBODY, answerer=NOBODY, metrics=NOBODY, history=1,
        response_timeout=1.0, when_abandoned=NOBODY, announce=NOBODY, look_elsewhere=NOBODY,
    )  # fmt: skip


async def test_turns_that_begin_meanwhile_are_waited_for_too() -> None:
    leaving, ended = runner(), []

    async def behind() -> None:
        await asyncio.sleep(0.1)
        ended.append("behind")

    async def first() -> None:
        await asyncio.sleep(0.05)
        leaving._launch(uuid4(), behind)
        ended.append("first")

    leaving._launch(uuid4(), first)
    await leaving.drain(5.0)

    assert ended == ["first", "behind"]


async def test_nobody_is_waited_for_longer_than_the_grace() -> None:
    leaving, began = runner(), time.monotonic()
    leaving._launch(uuid4(), lambda: asyncio.sleep(60))
    await leaving.drain(0.1)

    assert leaving.running == 0
    assert time.monotonic() - began < 5
