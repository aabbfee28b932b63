"""A worker that loses its lease says nothing more; an outage of the database for everybody costs nobody an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.rpc.pairs import Pair, ask, paired, until, usage_of, watch
from tests.support.postgres import TestPostgres
from tests.support.redis import running_redis

TERM = 2.0
PIECES = ("One ", "two ", "three ", "four.")


@pytest.fixture
async def pair(postgres: TestPostgres, tenant: str) -> AsyncIterator[Pair]:
    async with paired(postgres, tenant, turn_lease=TERM) as made:
        made.here.provider.pieces, made.here.provider.gate = PIECES, asyncio.Event()
        yield made


def release(pair: Pair) -> None:
    assert pair.here.provider.gate is not None
    pair.here.provider.gate.set()


async def test_a_worker_cut_off_says_nothing_more_and_another_one_finishes(pair: Pair, postgres: TestPostgres) -> None:
    asked = ask(pair.client(pair.here))
    await until(lambda: asked.deltas)
    await pair.here.proxy.down()
    taken_over = await until(lambda: pair.there.provider.closed)
    release(pair)
    await until(lambda: pair.here.provider.closed)
    assert asked.text.strip() == "One", "what came after the lease was over stays inside"
    await pair.here.proxy.up()
    await asyncio.wait_for(asked.task, 10)

    assert asked.attempts == [1, 2]
    assert asked.events[-1].message_completed.message.text == "Hello there."
    assert [event.sequence for event in asked.events if event.sequence] == [1, 2, 3, 4]
    assert [delta.text.strip() for delta in asked.deltas if delta.attempt == 1] == ["One"]
    assert taken_over < 3 * TERM

    async def both_calls_are_booked() -> None:
        while await usage_of(postgres, asked.turn_id) != [(1, "scripted", False), (2, "scripted", False)]:
            await asyncio.sleep(0.02)

    await asyncio.wait_for(both_calls_are_booked(), 5)


async def test_watchers_of_a_worker_cut_off_are_sent_elsewhere(
    postgres: TestPostgres, tenant: str, tmp_path: Path
) -> None:
    async with (
        running_redis(tmp_path) as redis,
        paired(postgres, tenant, turn_lease=TERM, redis_url=SecretStr(redis.url)) as pair,
    ):
        pair.here.provider.gate = asyncio.Event()
        asked = ask(pair.client(pair.here))
        await until(lambda: asked.deltas)
        await pair.here.proxy.down()
        await asyncio.wait_for(asked.task, 5)

        assert asked.kinds[-1] == "go_away"
        cursor = asked.events[-1].go_away.after_sequence
        resumed = watch(pair.client(pair.there), asked.conversation_id, after_sequence=cursor)
        await until(lambda: "message_completed" in resumed.kinds)
        resumed.task.cancel()
        assert resumed.attempts == [2]
        release(pair)
        await pair.here.proxy.up()


@pytest.mark.parametrize("seconds", [1.0, 5.0])
@pytest.mark.parametrize("where", ["mid-answer", "at the end"])
async def test_an_outage_for_everybody_costs_no_answer(
    pair: Pair, postgres: TestPostgres, seconds: float, where: str
) -> None:
    """Also one of several terms: both workers get a term in which they renew before anybody takes over."""
    asked = ask(pair.client(pair.here))
    watched = None
    await until(lambda: asked.deltas)
    watched = watch(pair.client(pair.there), asked.conversation_id)
    await until(lambda: watched.events)
    await pair.down()
    if where == "at the end":
        release(pair)
        await until(lambda: pair.here.provider.closed)
    await asyncio.sleep(seconds)
    assert not asked.task.done()
    assert not watched.task.done()
    await pair.up()
    await asyncio.sleep(2 * TERM)
    release(pair)
    await asyncio.wait_for(asked.task, 10)
    await until(lambda: "message_completed" in watched.kinds)
    watched.task.cancel()

    assert asked.attempts == [1]
    assert asked.text == asked.events[-1].message_completed.message.text == "".join(PIECES)
    assert len(pair.here.provider.requests) + len(pair.there.provider.requests) == 1
    assert await usage_of(postgres, asked.turn_id) == [(1, "scripted", False)]


async def test_text_that_came_during_an_outage_is_shown_after_it(pair: Pair) -> None:
    asked = ask(pair.client(pair.here))
    await until(lambda: asked.deltas)
    await pair.down()
    await asyncio.sleep(1.5 * TERM)
    pair.here.provider.pieces = PIECES
    before = asked.text
    release(pair)
    await until(lambda: pair.here.provider.closed)
    assert asked.text == before, "nothing leaves while the lease is over"
    await pair.up()
    await asyncio.wait_for(asked.task, 10)
    assert asked.text == "".join(PIECES)


async def test_no_provider_is_called_while_the_lease_is_over(postgres: TestPostgres, tenant: str) -> None:
    async with paired(postgres, tenant, turn_lease=TERM) as pair:
        runner, gathered, go_on = pair.here.server.app.runner, asyncio.Event(), asyncio.Event()

        async def gather(attempt: object) -> None:
            gathered.set()
            await go_on.wait()

        runner._answerer.gather = gather  # type: ignore[method-assign]
        asked = ask(pair.client(pair.here))
        await gathered.wait()
        await pair.here.proxy.down()
        await until(lambda: pair.there.provider.closed)
        go_on.set()
        await pair.here.proxy.up()
        await asyncio.wait_for(asked.task, 10)

        assert pair.here.provider.requests == []
        assert asked.attempts == [1, 2]
        assert await usage_of(postgres, asked.turn_id) == [(2, "scripted", False)]
