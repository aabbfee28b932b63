"""Two workers behave as one: stopping, typing, watching and repeating reach across, with Redis and without."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from deskwire.v1 import chat_pb2
from pydantic import SecretStr
from redis.asyncio import Redis

from deskwire_server.tenants import admin as tenants
from tests.rpc.pairs import Asked, Pair, ask, new_conversation, paired, until, usage_of, watch
from tests.support.postgres import TestPostgres
from tests.support.redis import TestRedis, running_redis
from tests.support.server import Client

GRACE = 1.0
PIECES = [f"word{number} " for number in range(20)]
REPEATS = int(os.environ.get("DESKWIRE_TEST_REPEATS", "2000"))
"""10,000 take about half a minute where both workers and all callers share one process."""


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[TestRedis]:
    async with running_redis(tmp_path) as server:
        yield server


@pytest.fixture(params=["with Redis", "without Redis", "Redis away"])
async def pair(
    request: pytest.FixtureRequest, postgres: TestPostgres, redis: TestRedis, tenant: str
) -> AsyncIterator[Pair]:
    url = None if request.param == "without Redis" else SecretStr(redis.url)
    async with paired(postgres, tenant, redis_url=url, turn_abandon_grace=GRACE) as made:
        if request.param == "Redis away":
            await redis.stop()
        for side in (made.here, made.there):
            side.provider.pieces, side.provider.gate = PIECES, asyncio.Event()
        # The first call of each kind takes long.
        for side in (made.here, made.there):
            await new_conversation(made.client(side))
            await made.client(side).chat.CancelTurn(
                chat_pb2.CancelTurnRequest(conversation_id=await new_conversation(made.client(side))),
                metadata=made.client(side).metadata,
            )
        yield made


async def test_a_cancel_elsewhere_closes_the_provider_s_connection(pair: Pair) -> None:
    asked = ask(pair.client(pair.here))
    await until(lambda: asked.deltas)
    client = pair.client(pair.there)
    cancelled = asyncio.ensure_future(
        client.chat.CancelTurn(
            chat_pb2.CancelTurnRequest(conversation_id=asked.conversation_id), metadata=client.metadata
        )
    )
    took = await until(lambda: pair.here.provider.closed)
    await asyncio.gather(cancelled, asked.task)

    assert took < 0.4, "before the next checkpoint by far"
    assert asked.events[-1].turn_cancelled.partial_message.text.strip() == "word0"


async def test_an_interruption_elsewhere_closes_it_too(pair: Pair) -> None:
    asked = ask(pair.client(pair.here))
    await until(lambda: asked.deltas)
    assert pair.there.provider.gate is not None
    pair.there.provider.gate.set()
    second = ask(
        pair.client(pair.there),
        "Rather this",
        conversation_id=asked.conversation_id,
        while_answering=chat_pb2.WHILE_ANSWERING_INTERRUPT,
    )
    assert await until(lambda: pair.here.provider.closed) < 0.4
    assert pair.here.provider.gate is not None
    pair.here.provider.gate.set()
    await asyncio.gather(asked.task, second.task)

    assert asked.kinds[-1] == "turn_cancelled"
    assert second.events[-1].message_completed.message.text == "".join(PIECES)


async def test_typing_is_seen_elsewhere(pair: Pair) -> None:
    here, there = pair.client(pair.here), pair.client(pair.there)
    conversation_id = await new_conversation(here)
    watched = watch(there, conversation_id)
    await until(lambda: watched.events)
    typing = chat_pb2.ConverseRequest(typing=chat_pb2.TypingNotice(is_typing=True))
    call = here.chat.Converse(metadata=here.metadata, timeout=30)
    await call.write(chat_pb2.ConverseRequest(open=chat_pb2.OpenConversation(conversation_id=conversation_id)))
    await call.read()
    await call.write(typing)
    took = await until(lambda: "typing" in watched.kinds)
    call.cancel()
    watched.task.cancel()

    assert watched.events[-1].typing.is_typing
    assert took < 3


async def test_the_assistant_is_seen_typing_elsewhere(pair: Pair) -> None:
    here, there = pair.client(pair.here), pair.client(pair.there)
    conversation_id = await new_conversation(here)
    watched = watch(there, conversation_id)
    await until(lambda: watched.events)
    asked = ask(here, conversation_id=conversation_id)
    await until(lambda: watched.deltas)
    assert pair.here.provider.gate is not None
    pair.here.provider.gate.set()
    await asked.task
    await until(lambda: "message_completed" in watched.kinds)
    watched.task.cancel()

    typing = [event.typing.is_typing for event in watched.events if event.HasField("typing")]
    assert typing[0] is True
    assert typing[-1] is False
    assert watched.text in "".join(PIECES)


async def leave(asked: Asked) -> None:
    asked.task.cancel()
    await asyncio.gather(asked.task, return_exceptions=True)


async def test_a_turn_that_is_watched_elsewhere_goes_on(pair: Pair) -> None:
    asked = ask(pair.client(pair.here))
    await until(lambda: asked.deltas)
    watched = watch(pair.client(pair.there), asked.conversation_id)
    await until(lambda: watched.events)
    await leave(asked)
    await asyncio.sleep(3 * GRACE)
    assert pair.here.provider.closed == 0
    await leave(watched)
    took = await until(lambda: pair.here.provider.closed)
    assert GRACE / 2 < took < 4 * GRACE


async def test_a_tenant_may_have_its_answers_finished(pair: Pair, postgres: TestPostgres) -> None:
    await tenants.change_settings(postgres.owner_url, pair.tenant, {"when_abandoned": "finish"})
    asked = ask(pair.client(pair.here))
    await until(lambda: asked.deltas)
    await leave(asked)
    await asyncio.sleep(3 * GRACE)
    assert pair.here.provider.gate is not None
    pair.here.provider.gate.set()
    watched = watch(pair.client(pair.there), asked.conversation_id, after_sequence=0)
    await until(lambda: "message_completed" in watched.kinds)
    await leave(watched)
    assert await usage_of(postgres, asked.turn_id) == [(1, "scripted", False)]


async def test_an_abandoned_turn_is_cancelled_and_paid_for(pair: Pair, postgres: TestPostgres) -> None:
    asked = ask(pair.client(pair.here))
    await until(lambda: asked.deltas)
    await leave(asked)
    await until(lambda: pair.here.provider.closed)
    watched = watch(pair.client(pair.there), asked.conversation_id, after_sequence=0)
    await until(lambda: "turn_cancelled" in watched.kinds)
    await leave(watched)
    assert watched.events[-1].turn_cancelled.partial_message.text.strip() == "word0"
    assert await usage_of(postgres, asked.turn_id) == [(1, "scripted", False)]


async def test_text_has_no_gap_when_redis_comes_back_empty(
    postgres: TestPostgres, redis: TestRedis, tenant: str
) -> None:
    async with paired(postgres, tenant, redis_url=SecretStr(redis.url)) as pair:
        gate = pair.here.provider.gate = asyncio.Event()
        pair.here.provider.pieces, pair.here.provider.gate_after = PIECES, 5
        asked = ask(pair.client(pair.here))
        await until(lambda: asked.deltas)
        watched = watch(pair.client(pair.there), asked.conversation_id)
        await until(lambda: watched.text.strip() == "".join(PIECES[:5]).strip())
        await redis.stop()
        await redis.start()
        gate.set()
        await asked.task
        await until(lambda: "message_completed" in watched.kinds)
        await leave(watched)
        assert asked.text == "".join(PIECES)
        assert "".join(PIECES).startswith(watched.text)


async def test_text_goes_by_redis_only_while_somebody_elsewhere_watches(
    postgres: TestPostgres, redis: TestRedis, tenant: str
) -> None:
    async with paired(postgres, tenant, redis_url=SecretStr(redis.url)) as pair, Redis.from_url(redis.url) as looking:
        gate = pair.here.provider.gate = asyncio.Event()
        pair.here.provider.pieces, pair.here.provider.gate_after = PIECES, 5
        asked = ask(pair.client(pair.here))
        said = "".join(PIECES[:5]).strip()
        await until(lambda: asked.text.strip() == said)
        assert not await looking.keys("deskwire:answer:*")
        watched = watch(pair.client(pair.there), asked.conversation_id)
        await until(lambda: watched.text.strip() == said)
        async with asyncio.timeout(5):
            while not (keys := await looking.keys("deskwire:answer:*")):
                await asyncio.sleep(0.01)
        assert (await looking.get(keys[0])).decode().strip() == said, "what was said before is there as well"
        gate.set()
        await asked.task
        await until(lambda: "message_completed" in watched.kinds)
        await leave(watched)
        assert "".join(PIECES).startswith(watched.text)


async def repeat(clients: list[Client], count: int) -> list[chat_pb2.ChatResponse]:
    request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text="Hi", request_id="once"), session_id="s")
    chosen = (clients[number % len(clients)] for number in range(count))
    calls = [client.chat.Chat(request, metadata=client.metadata, timeout=120) for client in chosen]
    return list(await asyncio.gather(*calls))


async def test_thousands_of_repeats_are_one_turn(postgres: TestPostgres, tenant: str) -> None:
    """All at once, over several connections to each of two workers, while the answer runs and after it."""
    async with paired(postgres, tenant) as pair, AsyncExitStack() as stack:
        pair.here.provider.gate = pair.there.provider.gate = asyncio.Event()
        clients = []
        for side in (pair.here, pair.there):
            for number in range(max(4, REPEATS // 1_000)):
                options = [("grpc.use_local_subchannel_pool", 1), ("deskwire.test", number)]
                channel = grpc.aio.insecure_channel(side.server.address, options=options)
                await stack.enter_async_context(channel)
                clients.append(Client(channel, pair.client(side).token))
        asked = asyncio.create_task(repeat(clients, REPEATS))
        await until(lambda: pair.here.provider.requests or pair.there.provider.requests)
        pair.here.provider.gate.set()
        answers = await asked

        assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
        assert len(pair.here.provider.requests) + len(pair.there.provider.requests) == 1
        assert await usage_of(postgres, answers[0].message.turn_id) == [(1, "scripted", False)]
