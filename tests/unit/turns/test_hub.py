"""The hub: coalesced text, late watchers, slow readers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from deskwire_server.errors import Unavailable
from deskwire_server.turns import hub as hub_module
from deskwire_server.turns.hub import Draining, Hub, RunningAnswer, Subscription, Wake
from deskwire_server.turns.models import DurableEvent, SourcesFound, TextAdded

SLOW = 3_600.0
"""An interval that never ends in a test."""


def running() -> RunningAnswer:
    return RunningAnswer(uuid4(), uuid4(), uuid4(), 1)


def durable(sequence: int) -> DurableEvent:
    return DurableEvent(sequence, None, "conversation_changed", {}, datetime.now(UTC))


async def drained(subscription: Subscription) -> list[object]:
    items: list[object] = []
    while taken := await subscription.take(0.01):
        items += taken
    return items


def texts(items: list[object]) -> list[tuple[int, str]]:
    return [(item.offset, item.text) for item in items if isinstance(item, TextAdded)]


async def test_the_first_text_leaves_at_once_and_the_rest_together() -> None:
    hub, answer = Hub(delta_interval=0.02), running()
    with hub.watch(answer.conversation_id) as watcher:
        hub.begin(answer)
        hub.add_text(answer, "One ")
        assert texts(await drained(watcher)) == [(0, "One ")]
        answer.flushed_at += SLOW
        for piece in ("two ", "three ", "four"):
            hub.add_text(answer, piece)
        async with asyncio.timeout(2):
            (item,) = await watcher.take(1)
        assert isinstance(item, TextAdded)
        assert (item.offset, item.text) == (4, "two three four")
        assert answer.text == "One two three four"
    await hub.close()


async def test_no_interval_sends_every_piece() -> None:
    hub, answer = Hub(delta_interval=0), running()
    with hub.watch(answer.conversation_id) as watcher:
        hub.begin(answer)
        for piece in "abc":
            hub.add_text(answer, piece)
        assert texts(await drained(watcher)) == [(0, "abc")], "joined while they wait"
    await hub.close()


async def test_the_end_of_an_answer_lets_out_what_is_pending() -> None:
    hub, answer = Hub(delta_interval=SLOW), running()
    answer.flushed_at = SLOW * 1_000_000
    with hub.watch(answer.conversation_id) as watcher:
        hub.begin(answer)
        hub.add_text(answer, "late")
        assert texts(await drained(watcher)) == []
        hub.end(answer)
        assert texts(await drained(watcher)) == [(0, "late")]
        assert hub.running(answer.conversation_id) is None
    await hub.close()


async def test_who_comes_late_gets_a_snapshot_of_what_others_have() -> None:
    hub, answer = Hub(delta_interval=SLOW), running()
    hub.begin(answer)
    assert answer.snapshot() is None
    hub.add_text(answer, "Zwölf ")
    answer.flushed_at = SLOW * 1_000_000
    hub.add_text(answer, "not yet out")
    snapshot = answer.snapshot()
    assert snapshot is not None
    assert (snapshot.offset, snapshot.text) == (0, "Zwölf ")
    with hub.watch(answer.conversation_id) as late:
        hub.end(answer)
        assert texts(await drained(late)) == [(6, "not yet out")], "goes on where the snapshot ended"
    await hub.close()


async def test_a_new_attempt_voids_the_pending_text_of_the_old() -> None:
    hub, old = Hub(delta_interval=0.01), running()
    old.flushed_at = SLOW * 1_000_000
    new = RunningAnswer(old.conversation_id, old.turn_id, old.message_id, 2)
    with hub.watch(old.conversation_id) as watcher:
        hub.begin(old)
        hub.add_text(old, "void")
        hub.begin(new)
        hub.add_text(new, "anew")
        items = await drained(watcher)
        assert [(item.attempt, item.text) for item in items if isinstance(item, TextAdded)] == [(2, "anew")]
        hub.end(old)
        assert hub.running(new.conversation_id) is new
    await hub.close()


async def test_text_of_a_slow_reader_is_joined_and_costs_one_place() -> None:
    hub, answer = Hub(delta_interval=0), running()
    with hub.watch(answer.conversation_id) as slow:
        hub.begin(answer)
        for _ in range(10 * hub_module._BUFFER):
            hub.add_text(answer, "word ")
        items = await drained(slow)
        assert len(items) == 1
        assert len(texts(items)[0][1]) == 50 * hub_module._BUFFER


async def test_a_reader_that_falls_too_far_behind_is_cut() -> None:
    hub, conversation = Hub(delta_interval=0), uuid4()
    with hub.watch(conversation) as slow, hub.watch(conversation) as quick:
        for sequence in range(1, hub_module._BUFFER + 2):
            hub.publish(conversation, durable(sequence))
            assert await quick.take(0.01)
        with pytest.raises(Unavailable) as cut:
            await slow.take(0.01)
        assert cut.value.reason == "READER_TOO_SLOW"
        assert cut.value.retry_after == 0.5


async def test_only_text_that_goes_on_is_joined() -> None:
    watcher, message = Subscription(1), uuid4()

    def text(offset: int, piece: str, *, attempt: int = 1, of: UUID = message) -> TextAdded:
        return TextAdded(uuid4(), of, attempt, offset, piece)

    for item in (
        text(0, "a"), text(1, "b"), text(5, "gap"), text(0, "new attempt", attempt=2), text(11, "other", of=uuid4()),
        SourcesFound(uuid4(), message, ()), text(11, "after sources", attempt=2),
    ):  # fmt: skip
        watcher.push(item)
    assert [piece for _, piece in texts(await drained(watcher))] == [
        "ab", "gap", "new attempt", "other", "after sources"
    ]  # fmt: skip


async def test_watchers_come_and_go() -> None:
    hub, conversation = Hub(delta_interval=0), uuid4()
    hub.publish(conversation, Wake())
    with hub.watch(conversation) as first:
        with hub.watch(conversation) as second:
            assert hub.watcher_count(conversation) == 2
            assert first.number != second.number
            hub.publish(uuid4(), Wake())
            assert not await second.take(0)
        assert hub.watcher_count(conversation) == 1
    assert hub.watcher_count(conversation) == 0
    assert not hub._watchers


async def test_draining_reaches_those_who_watch_and_those_who_come() -> None:
    hub, conversation = Hub(delta_interval=0), uuid4()
    with hub.watch(conversation) as before:
        hub.drain()
        assert isinstance((await before.take(0.01))[0], Draining)
    with hub.watch(conversation) as after:
        assert isinstance((await after.take(0.01))[0], Draining)
