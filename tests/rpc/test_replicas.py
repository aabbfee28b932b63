"""Two workers on one database: what one does, streams on the other see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from deskwire.v1 import chat_pb2, conversation_pb2
from pydantic import SecretStr

from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.redis import TestRedis, running_redis
from tests.support.server import Client, Server, make_settings, running_server

WORDS = [f"word{number} " for number in range(20)]


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[TestRedis]:
    async with running_redis(tmp_path) as server:
        yield server


@pytest.fixture(params=["with Redis", "without Redis"])
async def pair(
    request: pytest.FixtureRequest, postgres: TestPostgres, redis: TestRedis, provider: ScriptedProvider
) -> AsyncIterator[tuple[Server, Server]]:
    url = SecretStr(redis.url) if request.param == "with Redis" else None
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                running_server(
                    make_settings(postgres, redis_url=url, heartbeat_interval=5.0), provider=provider, alone=False
                )
            )
            for _ in range(2)
        ]
        yield servers[0], servers[1]


async def conversation(client: Client) -> str:
    made = await client.conversations.CreateConversation(
        conversation_pb2.CreateConversationRequest(), metadata=client.metadata
    )
    return made.conversation.id


async def test_a_watcher_elsewhere_sees_the_answer_grow(
    pair: tuple[Server, Server], provider: ScriptedProvider, tenant: str
) -> None:
    here, there = (server.client(tenant=tenant) for server in pair)
    conversation_id = await conversation(here)
    provider.pieces, provider.gate, provider.gate_after = WORDS, asyncio.Event(), 10
    watching = there.chat.WatchConversation(
        chat_pb2.WatchConversationRequest(conversation_id=conversation_id), metadata=there.metadata, timeout=30
    )
    request = chat_pb2.ChatRequest(conversation_id=conversation_id, message=chat_pb2.UserMessage(text="Count, please"))
    text, before_the_end = "", ""
    async for response in watching:
        kind = response.event.WhichOneof("event")
        if kind == "connection_status":
            asking = asyncio.ensure_future(here.chat.Chat(request, metadata=here.metadata, timeout=30))
        elif kind == "text_delta":
            assert response.event.text_delta.offset == len(text)
            text += response.event.text_delta.text
            before_the_end = text
            provider.gate.set()
        elif kind == "message_completed":
            break

    whole = (await asking).message.text
    assert before_the_end.startswith("word0 word1")
    assert response.event.message_completed.message.text == whole == "".join(WORDS)


async def test_a_turn_is_cancelled_from_another_worker(
    pair: tuple[Server, Server], provider: ScriptedProvider, tenant: str
) -> None:
    here, there = (server.client(tenant=tenant) for server in pair)
    conversation_id = await conversation(here)
    provider.gate = asyncio.Event()
    request = chat_pb2.SendMessageRequest(conversation_id=conversation_id, message=chat_pb2.UserMessage(text="Hi"))
    last = None
    async for response in here.chat.SendMessage(request, metadata=here.metadata, timeout=30):
        last = response.event
        if last.WhichOneof("event") == "text_delta":
            cancelled = await there.chat.CancelTurn(
                chat_pb2.CancelTurnRequest(conversation_id=conversation_id), metadata=there.metadata
            )
            assert cancelled.cancelled

    assert last is not None
    assert last.WhichOneof("event") == "turn_cancelled"
    assert provider.closed == 1


async def test_a_repeat_on_another_worker_joins(
    pair: tuple[Server, Server], provider: ScriptedProvider, tenant: str
) -> None:
    clients = [server.client(tenant=tenant) for server in pair]
    request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text="Hi", request_id="once"))
    answers = await asyncio.gather(
        *(client.chat.Chat(request, metadata=client.metadata, timeout=30) for client in clients * 10)
    )

    assert len({answer.message.id for answer in answers}) == 1
    assert len(provider.requests) == 1


async def test_redis_may_leave_and_come_back(
    pair: tuple[Server, Server], redis: TestRedis, provider: ScriptedProvider, tenant: str
) -> None:
    client = pair[0].client(tenant=tenant)
    await redis.stop()
    answer = await client.chat.Chat(
        chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text="Hi")), metadata=client.metadata, timeout=30
    )
    assert answer.message.text == "Hello there."
    await redis.start()
    again = await client.chat.Chat(
        chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text="Hi")), metadata=client.metadata, timeout=30
    )
    assert again.message.text == "Hello there."
