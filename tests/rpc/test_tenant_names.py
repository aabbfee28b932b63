"""Products and integrations of a tenant are found in its messages: those that its articles and its settings name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from deskwire.v1 import chat_pb2, intent_pb2, intent_pb2_grpc
from google.protobuf import json_format

from deskwire_server.db.urls import for_asyncpg
from deskwire_server.tenants import admin
from tests.rpc.world import make_article
from tests.support.postgres import TestPostgres
from tests.support.server import Client, Server, make_settings, new_tenant, running_server

TEXT = "my fluxomatic 3000 hums since Tuesday"
PRODUCT = ("product", "Fluxomatic 3000")


@pytest.fixture
async def running(postgres: TestPostgres) -> AsyncIterator[Server]:
    async with running_server(make_settings(postgres)) as server:
        yield server


async def by_analyze_intent(client: Client, text: str) -> set[tuple[str, str]]:
    stub = intent_pb2_grpc.IntentServiceStub(client.channel)
    found = await stub.AnalyzeIntent(intent_pb2.AnalyzeIntentRequest(message=text), metadata=client.metadata)
    return {(entity.type, entity.value) for entity in found.entities}


async def by_analyze_message(client: Client, text: str) -> set[tuple[str, str]]:
    stub = intent_pb2_grpc.IntentServiceStub(client.channel)
    request = intent_pb2.AnalyzeMessageRequest(message=text, analysis_types=["entities"])
    found = await stub.AnalyzeMessage(request, metadata=client.metadata)
    return _named(found.analyses)


async def by_batch(client: Client, text: str) -> set[tuple[str, str]]:
    stub = intent_pb2_grpc.IntentServiceStub(client.channel)
    message = intent_pb2.AnalyzeMessageRequest(message=text, analysis_types=["entities"])
    requests = [intent_pb2.BatchAnalyzeMessagesRequest(key="1", message=message)]
    call = stub.BatchAnalyzeMessages(iter(requests), metadata=client.metadata)
    found: set[tuple[str, str]] = set()
    async for response in call:
        found |= _named(response.analyses)
    return found


async def by_chat(client: Client, text: str) -> set[tuple[str, str]]:
    request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=text))
    answered = await client.chat.Chat(request, metadata=client.metadata)
    entities = json_format.MessageToDict(answered.message.answer.entities)
    return {(kind, value) for kind, values in entities.items() for value in values}


def _named(analyses: Any) -> set[tuple[str, str]]:
    found = json_format.MessageToDict(analyses["entities"])
    return {(entity["type"], entity["value"]) for entity in found["entities"]}


@pytest.mark.parametrize("ask", [by_analyze_intent, by_analyze_message, by_batch])
async def test_a_new_article_s_name_is_found_soon_by_its_tenant_alone(
    running: Server, ask: Callable[[Client, str], Awaitable[set[tuple[str, str]]]]
) -> None:
    tenant = new_tenant()
    writer, user, stranger = (
        running.client(tenant=tenant, role="admin"),
        running.client(tenant=tenant),
        running.client(tenant=new_tenant()),
    )
    assert PRODUCT not in await ask(user, TEXT)
    await make_article(writer, "Fluxomatic 3000", "It hums. That is fine.")
    async with asyncio.timeout(10):
        while PRODUCT not in await ask(user, TEXT):
            await asyncio.sleep(0.1)
    assert PRODUCT not in await ask(stranger, TEXT)


async def test_a_chat_finds_it_too(running: Server) -> None:
    tenant = new_tenant()
    writer, user = running.client(tenant=tenant, role="admin"), running.client(tenant=tenant)
    await make_article(writer, "Fluxomatic 3000", "It hums. That is fine.")
    assert ("product", "fluxomatic 3000") in await by_chat(user, TEXT)
    assert not any(kind == "product" for kind, _ in await by_chat(running.client(tenant=new_tenant()), TEXT))


async def test_names_that_the_tenant_has_set_are_found(running: Server, postgres: TestPostgres) -> None:
    tenant = new_tenant()
    user = running.client(tenant=tenant)
    connection = await asyncpg.connect(for_asyncpg(postgres.app_url))
    try:
        await connection.fetchval("SELECT id FROM tenant_ensure($1)", tenant)
    finally:
        await connection.close()
    given = {"products": ["Pulse|pulse app"], "integrations": ["Zorblatt"]}
    await admin.change_settings(postgres.owner_url, tenant, given)
    found = await by_analyze_intent(user, "the pulse app lost ZORBLATT")
    assert {("product", "Pulse"), ("integration", "Zorblatt")} <= found
