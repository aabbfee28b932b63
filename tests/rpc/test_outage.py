"""Postgres goes away and comes back: every call says so, and what was acknowledged is still there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from deskwire.v1 import chat_pb2, conversation_pb2
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from pydantic import SecretStr

from tests.rpc.contract import Outcome, call, call_as, find, rpcs
from tests.rpc.plausible import plausible
from tests.rpc.proxy import DatabaseProxy, proxied
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server, make_settings, new_tenant, running_server

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
CHAT = find("/deskwire.v1.ChatService/Chat")
HEALTH = "/deskwire.compat.v1.SupportAssistantService/GetHealth"


@pytest.fixture
async def proxy(postgres: TestPostgres) -> AsyncIterator[DatabaseProxy]:
    async with proxied(postgres.app_url) as made:
        yield made


@pytest.fixture
async def running(postgres: TestPostgres, proxy: DatabaseProxy, provider: ScriptedProvider) -> AsyncIterator[Server]:
    settings = make_settings(
        postgres,
        database_url=SecretStr(proxy.url(postgres.app_url)),
        database_system_url=SecretStr(proxy.url(postgres.system_url)),
        heartbeat_interval=0.2,
    )
    async with running_server(settings, provider=provider) as server:
        yield server


def asking(text: str, request_id: str = "") -> chat_pb2.ChatRequest:
    return chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=text, request_id=request_id), session_id="s")


async def until_up(client: Client, *requests: Message) -> Outcome:
    """The first answer after the outage: no call may need more than the wait that the refusals ask for."""
    async with asyncio.timeout(10):
        while (outcome := await call_as(client, CHAT, *requests)).code is UNAVAILABLE:
            await asyncio.sleep(0.02)
    return outcome


FROM_MEMORY = {
    "IntentService/AnalyzeIntent",
    "IntentService/AnalyzeMessage",
    "IntentService/BatchAnalyzeMessages",
    "IntentService/ClassifyIntent",
    "PortalAssistantService/AnalyzeIntent",
    "BusinessAssistantService/AnalyzeMessage",
    "BusinessAssistantService/ClassifyIntent",
}
"""Calls that read nothing but what the tenant has trained: for a moment after it was used they go on without it."""


async def test_73_every_call_says_that_postgres_is_away(running: Server, proxy: DatabaseProxy) -> None:
    client = running.client(tenant=new_tenant(), role="admin")
    assert (await call_as(client, CHAT, asking("Before"))).refusal is None
    await proxy.down()
    for rpc in rpcs():
        if rpc.path == HEALTH:
            continue
        refusal = (await call_as(client, rpc, *plausible(rpc))).refusal
        if refusal is None and rpc.name in FROM_MEMORY:
            continue
        assert refusal is not None, rpc.path
        assert (refusal.code, refusal.reason) == (UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"), f"{rpc.path}: {refusal}"
        assert refusal.retry_seconds == 1.0
        refusal.assert_nothing_internal()
    await proxy.up()

    assert (await until_up(client, asking("After"))).refusal is None
    listed = await client.conversations.ListConversations(
        conversation_pb2.ListConversationsRequest(), metadata=client.metadata
    )
    assert [each.title for each in listed.conversations] == ["Before"]


async def test_health_tells_of_the_outage(running: Server, proxy: DatabaseProxy) -> None:
    check = find("/grpc.health.v1.Health/Check")

    async def status(service: str) -> int:
        outcome = await call(running.channel, check, [health_pb2.HealthCheckRequest(service=service)])
        return int(outcome.responses[0].status) if outcome.responses else 0

    async def becomes(service: str, wanted: int) -> None:
        async with asyncio.timeout(10):
            while await status(service) != wanted:
                await running.app.health.look()

    for service in ("", "deskwire.v1.ChatService", "postgres"):
        await becomes(service, health_pb2.HealthCheckResponse.SERVING)
    assert (await call(running.channel, find(HEALTH), plausible(find(HEALTH)))).responses[0].status == "healthy"
    await proxy.down()
    for service in ("", "deskwire.v1.ChatService", "postgres"):
        await becomes(service, health_pb2.HealthCheckResponse.NOT_SERVING)
    refusal = (await call(running.channel, find(HEALTH), plausible(find(HEALTH)))).refusal
    assert refusal is not None
    assert (refusal.code, refusal.retry_seconds) == (UNAVAILABLE, 1.0)
    await proxy.up()
    await becomes("", health_pb2.HealthCheckResponse.SERVING)


async def test_an_answer_outlives_an_outage(running: Server, proxy: DatabaseProxy, provider: ScriptedProvider) -> None:
    provider.gate = asyncio.Event()
    client = running.client(tenant=new_tenant())
    asked = asyncio.create_task(call_as(client, CHAT, asking("Hi", "r")))
    while not provider.requests:
        await asyncio.sleep(0.005)
    await proxy.down()
    provider.gate.set()
    while not provider.closed:
        await asyncio.sleep(0.005)
    await proxy.up()
    outcomes: Sequence[Outcome] = (await asked, await until_up(client, asking("Hi", "r")))

    assert outcomes[0].refusal is None, outcomes[0].refusal
    assert {outcome.responses[0].message.text for outcome in outcomes} == {"Hello there."}
    assert len({outcome.responses[0].message.id for outcome in outcomes}) == 1
    assert len(provider.requests) == 1
