"""The events of a tenant as a stream: everything once, resumable anywhere, for administrators and services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import grpc
import pytest
from deskwire.v1 import analytics_pb2 as pb
from deskwire.v1 import analytics_pb2_grpc, chat_pb2, conversation_pb2
from pydantic import SecretStr

from tests.rpc.contract import call_as, find
from tests.rpc.proxy import proxied
from tests.rpc.requests import asking
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.redis import running_redis
from tests.support.server import Client, Server, make_settings, new_tenant, running_server

WATCH = "/deskwire.v1.AnalyticsService/WatchEvents"
METRICS = "/deskwire.v1.AnalyticsService/GetConversationMetrics"
CHAT = "/deskwire.v1.ChatService/Chat"
OF_A_TURN = ["message_accepted", "turn_started", "message_completed"]


def watch(client: Client, **request: Any) -> Any:
    stub: analytics_pb2_grpc.AnalyticsServiceAsyncStub = analytics_pb2_grpc.AnalyticsServiceStub(client.channel)
    return stub.WatchEvents(pb.WatchEventsRequest(**request), metadata=client.metadata, timeout=30)


async def ask(client: Client, text: str = "Hi", conversation_id: str = "") -> str:
    request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=text))
    if conversation_id:
        request.conversation_id = conversation_id
    return (await client.chat.Chat(request, metadata=client.metadata, timeout=20)).conversation_id


def kind_of(response: pb.WatchEventsResponse) -> str:
    return response.event.WhichOneof("event") or ""


async def take(stream: Any, count: int) -> list[pb.WatchEventsResponse]:
    """The next events of conversations, those of the stream itself left out."""
    found: list[pb.WatchEventsResponse] = []
    while len(found) < count:
        response = await stream.read()
        assert response is not grpc.aio.EOF
        if response.event.sequence:
            found.append(response)
    return found


@pytest.fixture
def service(server: Server, tenant: str) -> Client:
    return server.client(tenant=tenant, user="crm", role="service")


async def test_events_of_all_conversations_and_users(server: Server, service: Client, tenant: str) -> None:
    stream = watch(service)
    opening = await stream.read()
    assert kind_of(opening) == "connection_status"
    assert opening.cursor
    ana, ben = server.client(tenant=tenant, user="ana"), server.client(tenant=tenant, user="ben")
    await ask(server.client(tenant=new_tenant()))
    first = await ask(ana)
    second = await ask(ben)
    events = await take(stream, 6)
    assert [kind_of(event) for event in events] == OF_A_TURN * 2
    assert [event.event.conversation_id for event in events] == [first] * 3 + [second] * 3
    assert [event.user_id for event in events] == ["ana"] * 3 + ["ben"] * 3
    assert [event.event.sequence for event in events] == [1, 2, 3] * 2
    assert events[2].event.message_completed.message.text == "Hello there."
    stream.cancel()


async def test_news_come_at_once(server: Server, service: Client, ana: Client) -> None:
    stream = watch(service)
    await stream.read()
    await ask(ana)
    async with asyncio.timeout(1.0):
        await take(stream, 3)
    stream.cancel()


async def test_the_past_from_the_beginning_and_behind_a_cursor(server: Server, service: Client, ana: Client) -> None:
    for _ in range(3):
        await ask(ana)
    stream = watch(service, from_beginning=True)
    whole = await take(stream, 9)
    stream.cancel()
    for place in (0, 4, 7):
        stream = watch(service, cursor=whole[place].cursor)
        rest = await take(stream, 8 - place)
        stream.cancel()
        assert [event.event for event in rest] == [event.event for event in whole[place + 1 :]]


async def test_chosen_kinds_alone_with_a_cursor_that_moves_on(
    postgres: TestPostgres, provider: ScriptedProvider, tenant: str
) -> None:
    async with running_server(make_settings(postgres, heartbeat_interval=0.2), provider=provider) as server:
        service = server.client(tenant=tenant, user="crm", role="service")
        stream = watch(service, kinds=[pb.EVENT_KIND_TURN_FAILED])
        opening = await stream.read()
        await ask(server.client(tenant=tenant))
        cursor = opening.cursor
        async with asyncio.timeout(10):
            while True:
                response = await stream.read()
                assert kind_of(response) == "heartbeat"
                moved, cursor = response.cursor != cursor, response.cursor
                stream_again = watch(service, cursor=cursor)
                await stream_again.read()
                quiet = await stream_again.read()
                stream_again.cancel()
                if moved and not quiet.event.sequence:
                    break
        stream.cancel()


@pytest.fixture(params=["with Redis", "without Redis"])
async def pair(
    request: pytest.FixtureRequest, postgres: TestPostgres, provider: ScriptedProvider, tmp_path: Any
) -> AsyncIterator[tuple[Server, Server]]:
    async with AsyncExitStack() as stack:
        url = None
        if request.param == "with Redis":
            url = SecretStr((await stack.enter_async_context(running_redis(tmp_path))).url)
        settings = make_settings(postgres, redis_url=url)
        servers = [
            await stack.enter_async_context(running_server(settings, provider=provider, alone=False)) for _ in range(2)
        ]
        yield servers[0], servers[1]


async def test_a_stream_goes_on_at_another_server(pair: tuple[Server, Server], tenant: str) -> None:
    here, there = (server.client(tenant=tenant, user="crm", role="service") for server in pair)
    asking = [server.client(tenant=tenant) for server in pair]
    stream = watch(here)
    await stream.read()
    seen: list[pb.WatchEventsResponse] = []
    talks: set[str] = set()

    async def talk() -> None:
        for number in range(12):
            talks.add(await ask(asking[number % 2]))

    talking = asyncio.create_task(talk())
    for number in range(6):
        seen += await take(stream, 6)
        stream.cancel()
        stream = watch((there, here)[number % 2], cursor=seen[-1].cursor)
    await talking
    stream.cancel()
    assert [(event.event.conversation_id, event.event.sequence) for event in seen if not event.user_id] == []
    by_talk = {talk: [event.event.sequence for event in seen if event.event.conversation_id == talk] for talk in talks}
    assert by_talk == {talk: [1, 2, 3] for talk in talks}


async def test_a_stream_holds_while_postgres_is_away(
    postgres: TestPostgres, provider: ScriptedProvider, tenant: str
) -> None:
    async with proxied(postgres.app_url) as proxy:
        settings = make_settings(
            postgres,
            database_url=SecretStr(proxy.url(postgres.app_url)),
            database_system_url=SecretStr(proxy.url(postgres.system_url)),
            heartbeat_interval=0.2,
        )
        async with running_server(settings, provider=provider) as server:
            service = server.client(tenant=tenant, user="crm", role="service")
            stream = watch(service)
            cursor = (await stream.read()).cursor
            await proxy.down()
            assert kind_of(await stream.read()) == "heartbeat"
            for request in (pb.WatchEventsRequest(), pb.WatchEventsRequest(cursor=cursor)):
                refusal = (await call_as(service, find(WATCH), request)).refusal
                assert refusal is not None
                assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
            await proxy.up()
            ana = server.client(tenant=tenant)
            async with asyncio.timeout(20):
                while (await call_as(ana, find(CHAT), asking())).refusal is not None:
                    await asyncio.sleep(0.05)
                assert [kind_of(event) for event in await take(stream, 3)] == OF_A_TURN
            stream.cancel()


async def test_a_draining_server_says_so_with_a_cursor(server: Server, service: Client, ana: Client) -> None:
    stream = watch(service)
    await stream.read()
    server.app.hub.drain()
    last = await stream.read()
    assert kind_of(last) == "go_away"
    assert last.cursor
    assert await stream.read() is grpc.aio.EOF


async def test_streams_end_after_their_time(postgres: TestPostgres, provider: ScriptedProvider, tenant: str) -> None:
    async with running_server(make_settings(postgres, stream_max_duration=0.3), provider=provider) as server:
        stream = watch(server.client(tenant=tenant, role="admin"))
        kinds = [kind_of(response) async for response in stream]
    assert kinds == ["connection_status", "go_away"]


async def test_a_slow_reader_loses_nothing(server: Server, service: Client, ana: Client) -> None:
    stream = watch(service, from_beginning=True)
    await stream.read()
    conversation_id = await ask(ana)
    for _ in range(30):
        await ask(ana, "x" * 2_000, conversation_id)
    events = await take(stream, 93)
    assert [event.event.sequence for event in events] == list(range(1, 94))
    stream.cancel()


@pytest.mark.parametrize("role", ["user", "agent"])
async def test_only_administrators_and_services(server: Server, tenant: str, role: str) -> None:
    client = server.client(tenant=tenant, role=role)
    outcome = await call_as(client, find(WATCH), pb.WatchEventsRequest())
    assert outcome.refusal is not None
    assert (outcome.code, outcome.refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW")


async def test_cursors_that_are_none(server: Server, service: Client, tenant: str) -> None:
    other = server.client(tenant=new_tenant(), user="crm", role="service")
    stream = watch(other)
    foreign = (await stream.read()).cursor
    stream.cancel()
    for cursor in ("nonsense", foreign, foreign[:-2] + "AA"):
        outcome = await call_as(service, find(WATCH), pb.WatchEventsRequest(cursor=cursor))
        assert outcome.code is grpc.StatusCode.INVALID_ARGUMENT
        assert outcome.refusal is not None
        assert outcome.refusal.fields == ["cursor"]


async def test_events_that_retention_removed_expire_a_cursor(
    server: Server, postgres: TestPostgres, service: Client, ana: Client
) -> None:
    stream = watch(service)
    cursor = (await stream.read()).cursor
    conversation_id = await ask(ana)
    kept = (await take(stream, 3))[-1].cursor
    stream.cancel()
    connection = await asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + "/deskwire")
    await connection.execute("DELETE FROM events WHERE conversation_id = $1::text::uuid", conversation_id)
    await connection.close()
    outcome = await call_as(service, find(WATCH), pb.WatchEventsRequest(cursor=cursor))
    assert outcome.refusal is not None
    assert (outcome.code, outcome.refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CURSOR_EXPIRED")
    again = watch(service, cursor=kept)
    await ask(ana, conversation_id=conversation_id)
    assert [event.event.sequence for event in await take(again, 3)] == [4, 5, 6]
    again.cancel()


async def test_figures_of_a_conversation(server: Server, service: Client, ana: Client) -> None:
    conversation_id = await ask(ana)
    await ask(ana, "And now?", conversation_id)
    request = pb.GetConversationMetricsRequest(conversation_id=conversation_id)
    figures = (await call_as(service, find(METRICS), request)).responses[0]
    assert {pb.EventKind.Name(each.kind): each.count for each in figures.events} == {
        "EVENT_KIND_MESSAGE_ACCEPTED": 2, "EVENT_KIND_TURN_STARTED": 2, "EVENT_KIND_MESSAGE_COMPLETED": 2
    }  # fmt: skip
    assert (figures.answered_count, figures.input_tokens, figures.output_tokens) == (2, 14, 4)
    assert 0 < figures.mean_response_time.ToTimedelta().total_seconds() < 10
    assert figures.first_event_time.ToNanoseconds() < figures.last_event_time.ToNanoseconds()


async def test_figures_of_a_silent_and_of_no_conversation(server: Server, service: Client, ana: Client) -> None:
    made = await ana.conversations.CreateConversation(
        conversation_pb2.CreateConversationRequest(), metadata=ana.metadata
    )
    request = pb.GetConversationMetricsRequest(conversation_id=made.conversation.id)
    figures = (await call_as(service, find(METRICS), request)).responses[0]
    assert figures == pb.GetConversationMetricsResponse(conversation_id=made.conversation.id)
    assert (await call_as(ana, find(METRICS), request)).code is grpc.StatusCode.PERMISSION_DENIED
    missing = pb.GetConversationMetricsRequest(conversation_id="00000000-0000-7000-8000-000000000000")
    assert (await call_as(service, find(METRICS), missing)).code is grpc.StatusCode.NOT_FOUND
