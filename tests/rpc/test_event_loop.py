"""A worker at work never keeps its event loop: chats, analyses, imports and searches leave it free for others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
from deskwire.v1 import chat_pb2, conversation_pb2, intent_pb2, intent_pb2_grpc, knowledge_pb2

from tests.support.loop_watch import watched_loop
from tests.support.postgres import TestPostgres
from tests.support.server import Client, Server, make_settings, new_tenant, running_server

LONGEST = 8_000
QUESTION = "How do I connect Google Ads, and what does it cost to export the invoices of last month?"
MESSAGES = (
    "Our checkout is down since 10:15 and nobody answers, this is the third time! Order A-20391, 99 €, due tomorrow.",
    "Wo finde ich die Rechnung vom 3. Mai? Meine Nummer ist +49 30 901820, max@example.com, https://example.com/a?b=c",
    "Je ne comprends rien à ce message : Error 0x80070057. Que dois-je faire ?",
    "¿?",
)


def long_message(length: int, sentence: str) -> str:
    return (sentence * (length // len(sentence) + 1))[:length]


LONG = (
    *(long_message(length, f"{MESSAGES[0]} ") for length in (590, 610, 2_000, LONGEST)),
    *(long_message(length, f"{MESSAGES[1]} ") for length in (599, LONGEST)),
    long_message(
        LONGEST, "Mr Smith of Acme Labs Ltd, call +1 650 253 0000 or write to a.b@example.org by 5 pm on 3/4/2025; "
    ),
    long_message(LONGEST, "请问怎么修改收货地址？订单12345，价格￥99。"),
    "a" * LONGEST,
    "1" * LONGEST,
    "? ! " * (LONGEST // 4),
    "A1 " * (LONGEST // 3),
)


@pytest.fixture
async def running(postgres: TestPostgres, embedder: Path) -> AsyncIterator[Server]:
    settings = make_settings(
        postgres, embedder="local", embedder_socket=embedder, builtin_pace=0.0, background_jobs=True
    )
    async with running_server(settings) as server:
        yield server


def document(number: int, size: int) -> bytes:
    part = (
        "## Part {0} of {1}\n\nFluxomatic {1} connects **Google Ads** with the *invoice* of the month. Who wants to "
        "export it opens [Settings](https://example.com/s) and waits for {0} minutes.\n\n- first\n- second\n\n"
        "| name | price |\n| --- | --- |\n| Basic | {0} € |\n\n"
    )
    text, place = [f"# Export of invoices {number}\n\n"], 0
    while sum(map(len, text)) < size:
        text.append(part.format(place := place + 1, number))
    return "".join(text).encode()


async def import_documents(admin: Client, *documents: tuple[str, bytes]) -> int:
    requests = [knowledge_pb2.ImportArticlesRequest(source_path=path, content=content) for path, content in documents]
    response = await admin.knowledge.ImportArticles(iter(requests), metadata=admin.metadata)
    return int(response.created_count)


async def ask(client: Client, text: str) -> Any:
    request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=text))
    return await client.chat.Chat(request, metadata=client.metadata, timeout=60)


async def listen(client: Client, text: str) -> int:
    request = chat_pb2.SendMessageRequest(message=chat_pb2.UserMessage(text=text))
    return len([event async for event in client.chat.SendMessage(request, metadata=client.metadata, timeout=60)])


async def search(client: Client, text: str) -> Any:
    request = knowledge_pb2.SearchKnowledgeRequest(query=text, limit=20)
    return await client.knowledge.SearchKnowledge(request, metadata=client.metadata)


async def analyse(client: Client, text: str) -> Any:
    stub = intent_pb2_grpc.IntentServiceStub(client.channel)
    return await stub.AnalyzeMessage(intent_pb2.AnalyzeMessageRequest(message=text), metadata=client.metadata)


async def analyse_intent(client: Client, text: str) -> Any:
    stub = intent_pb2_grpc.IntentServiceStub(client.channel)
    return await stub.AnalyzeIntent(intent_pb2.AnalyzeIntentRequest(message=text), metadata=client.metadata)


async def analyse_all(client: Client, texts: tuple[str, ...]) -> int:
    stub = intent_pb2_grpc.IntentServiceStub(client.channel)
    requests = [
        intent_pb2.BatchAnalyzeMessagesRequest(message=intent_pb2.AnalyzeMessageRequest(message=text)) for text in texts
    ]
    return len([one async for one in stub.BatchAnalyzeMessages(iter(requests), metadata=client.metadata)])


async def work(server: Server, tenant: str, round_number: int, *sizes: int) -> None:
    """What a tenant does in a minute, some of it at once; `sizes` are those of documents, in bytes."""
    admin, user = server.client(tenant=tenant, role="admin"), server.client(tenant=tenant)
    documents = [(f"{round_number}-{number}.md", document(number, size)) for number, size in enumerate(sizes)]
    importing = asyncio.create_task(import_documents(admin, *documents), name="import")
    messages = [*MESSAGES, *LONG]
    asked: list[Awaitable[Any]] = [ask(user, QUESTION), listen(user, MESSAGES[1]), listen(user, LONG[2])]
    await asyncio.gather(*asked, *(search(user, text[:400]) for text in messages[:6]))
    for text in messages:
        await analyse(user, text)
        await analyse_intent(user, text)
    assert await analyse_all(user, tuple(messages)) == len(messages)
    assert await importing == len(sizes)
    answered = await ask(user, f"And what about Fluxomatic {round_number}?")
    request = conversation_pb2.ListMessagesRequest(conversation_id=answered.conversation_id)
    await user.conversations.ListMessages(request, metadata=user.metadata)


async def test_no_step_of_a_worker_takes_longer_than_it_may(running: Server) -> None:
    # The first round finds the worker as it starts: what is loaded once is loaded in threads.
    tenant = new_tenant()
    for number, sizes in enumerate([(5_000, 10_000), (100_000, 5_000)]):
        with watched_loop() as watch:
            await work(running, tenant, number, *sizes)
        watch.check()
