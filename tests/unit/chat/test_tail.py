"""A stream that begins in the middle of an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from deskwire_server.chat.tail import Tail, TailLimits
from deskwire_server.turns.hub import Hub, RunningAnswer
from deskwire_server.turns.models import DurableEvent, TextAdded

TALK, TURN, ANSWER = uuid4(), uuid4(), uuid4()


class Store:
    """A turn that runs, with a checkpoint that is older than what was written."""

    async def open_watch(self, *_: object) -> tuple[Any, dict[str, Any]]:
        talk = SimpleNamespace(last_sequence=2, earliest_sequence=1, active_turn_id=TURN)
        return talk, {"turn_id": TURN, "answer_id": ANSWER, "attempt": 1, "checkpoint": "abc"}

    async def events_after(self, *_: object) -> list[DurableEvent]:
        return []


async def text_elsewhere(*_: object) -> str:
    return ""


@pytest.fixture
def hub() -> Hub:
    return Hub(delta_interval=0)


async def deltas(hub: Hub, before_the_end: list[TextAdded]) -> list[tuple[int, str]]:
    """Offsets and texts of what a stream gives that receives these pieces, then the end."""
    caller: Any = SimpleNamespace(tenant_id=uuid4(), user_id="ana", sees_all=False)
    store: Any = Store()
    given = []
    with hub.watch(TALK) as subscription:
        tail = Tail(store, hub, text_elsewhere, TailLimits(heartbeat=5, longest=60), caller, TALK, subscription)
        for piece in before_the_end:
            subscription.push(piece)
        subscription.push(DurableEvent(3, TURN, "message_completed", {}, datetime.now(UTC)))
        async for events in tail.events(after=2, until={TURN}, latency=0.0):
            given += [(event.offset, event.text) for event in events if isinstance(event, TextAdded)]
    return given


async def test_text_that_went_by_before_the_stream_listened_leaves_no_gap(hub: Hub) -> None:
    assert await deltas(hub, [TextAdded(TURN, ANSWER, 1, 6, "ghi")]) == [(0, "abc")]


async def test_text_that_this_worker_still_has_comes_whole(hub: Hub) -> None:
    answer = RunningAnswer(TALK, TURN, ANSWER, 1)
    hub.begin(answer)
    hub.add_text(answer, "abcdef")

    assert await deltas(hub, [TextAdded(TURN, ANSWER, 1, 3, "def")]) == [(0, "abcdef")]


async def test_text_that_continues_the_checkpoint_is_given(hub: Hub) -> None:
    piece = TextAdded(TURN, ANSWER, 1, 3, "def")

    assert await deltas(hub, [piece]) == [(0, "abc"), (3, "def")]
