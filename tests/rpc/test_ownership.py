"""A human takes a conversation over from the assistant, and gives it back, on a running server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2, error_reason_pb2, event_pb2

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.conversations.ownership import OwnershipService
from deskwire_server.db.engine import Database
from deskwire_server.errors import Aborted, FailedPrecondition, NotFound, PermissionDenied
from deskwire_server.turns.hub import Wake
from deskwire_server.turns.store import TurnStore
from tests.rpc.refusals import read_refusal
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server
from tests.support.waiting import until

OWNER_CHANGED = error_reason_pb2.ERROR_REASON_OWNER_CHANGED


@pytest.fixture
async def ownership(server: Server, postgres: TestPostgres) -> AsyncIterator[OwnershipService]:
    database = Database(postgres.app_url, pool_size=2)
    yield OwnershipService(
        TurnStore(database, uuid4()),
        fence=server.app.runner.fence,
        wake_all=lambda tenant_id, conversation_id: server.app.hub.publish(conversation_id, Wake()),
    )
    await database.close()


@pytest.fixture
async def bob(postgres: TestPostgres, tenant: str, ana: Client) -> Caller:
    """An agent of the tenant."""
    await ana.conversations.ListConversations(
        conversation_pb2.ListConversationsRequest(), metadata=ana.metadata
    )  # The tenant comes into being with its first use.
    database = Database(postgres.app_url, pool_size=1)
    row = await database.fetchrow("SELECT id FROM tenant_find($1)", tenant)
    await database.close()
    assert row is not None
    return Caller(tenant_id=row["id"], tenant=tenant, user_id="bob", role=Role.AGENT)


async def conversation(client: Client) -> conversation_pb2.Conversation:
    made = await client.conversations.CreateConversation(
        conversation_pb2.CreateConversationRequest(), metadata=client.metadata
    )
    return made.conversation


async def test_a_takeover_cuts_the_assistant_short(
    ana: Client, bob: Caller, ownership: OwnershipService, provider: ScriptedProvider
) -> None:
    talk = await conversation(ana)
    provider.gate = asyncio.Event()
    request = chat_pb2.SendMessageRequest(conversation_id=talk.id, message=chat_pb2.UserMessage(text="Hi"))
    events: list[event_pb2.ConversationEvent] = []
    async for response in ana.chat.SendMessage(request, metadata=ana.metadata, timeout=15):
        events.append(response.event)
        if response.event.WhichOneof("event") == "text_delta":
            assert await ownership.take_over(bob, UUID(talk.id), talk.owner_token) == 2
    (end,) = [event for event in events if event.WhichOneof("event") == "turn_cancelled"]
    assert end.turn_cancelled.reason == OWNER_CHANGED
    await until(lambda: provider.closed)
    provider.gate.set()

    said = await ownership.say_as_owner(bob, UUID(talk.id), 2, "Bob here.", "k")
    assert (await ownership.say_as_owner(bob, UUID(talk.id), 2, "Bob here.", "k")).message_id == said.message_id
    watch = chat_pb2.WatchConversationRequest(conversation_id=talk.id, after_sequence=0)
    kinds: list[str | None] = []
    async for watched in ana.chat.WatchConversation(watch, metadata=ana.metadata, timeout=15):
        if watched.event.sequence:
            kinds.append(watched.event.WhichOneof("event"))
        if watched.event.sequence == said.sequence:
            break
    assert kinds == ["message_accepted", "turn_started", "turn_cancelled", "conversation_changed", "message_completed"]
    message = watched.event.message_completed.message
    assert (message.role, message.text) == (common_pb2.MESSAGE_ROLE_AGENT, "Bob here.")


async def test_a_message_to_a_human_ends_at_once(
    ana: Client, bob: Caller, ownership: OwnershipService, provider: ScriptedProvider
) -> None:
    talk = await conversation(ana)
    await ownership.take_over(bob, UUID(talk.id), 1)
    message = chat_pb2.UserMessage(text="Hi")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await ana.chat.Chat(chat_pb2.ChatRequest(conversation_id=talk.id, message=message), metadata=ana.metadata)
    refusal = read_refusal(error.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "OWNER_CHANGED")
    request = chat_pb2.SendMessageRequest(conversation_id=talk.id, message=message)
    sent = [r.event async for r in ana.chat.SendMessage(request, metadata=ana.metadata, timeout=15)]
    requests = [
        chat_pb2.ConverseRequest(open=chat_pb2.OpenConversation(conversation_id=talk.id)),
        chat_pb2.ConverseRequest(message=message),
        chat_pb2.ConverseRequest(close=chat_pb2.CloseConversationStream()),
    ]
    conversed = [r.event async for r in ana.chat.Converse(iter(requests), metadata=ana.metadata, timeout=15)]
    for events in (sent, conversed):
        durable = [event for event in events if event.sequence]
        assert [event.WhichOneof("event") for event in durable] == ["message_accepted", "turn_cancelled"]
        assert durable[-1].turn_cancelled.reason == OWNER_CHANGED
    assert not provider.requests
    listed = await ana.conversations.ListMessages(
        conversation_pb2.ListMessagesRequest(conversation_id=talk.id), metadata=ana.metadata
    )
    assert [(each.role, each.text) for each in listed.messages] == [(common_pb2.MESSAGE_ROLE_USER, "Hi")] * 3

    assert await ownership.hand_back(bob, UUID(talk.id), 2) == 3
    answered = await ana.chat.Chat(
        chat_pb2.ChatRequest(conversation_id=talk.id, message=message), metadata=ana.metadata, timeout=15
    )
    assert answered.message.text == "Hello there."


async def test_who_may_own(ana: Client, bob: Caller, ownership: OwnershipService) -> None:
    talk = await conversation(ana)
    here = UUID(talk.id)
    user = Caller(tenant_id=bob.tenant_id, tenant=bob.tenant, user_id="ana", role=Role.USER)
    for call in (ownership.take_over(user, here, 1), ownership.hand_back(user, here, 1)):
        with pytest.raises(PermissionDenied):
            await call
    with pytest.raises(PermissionDenied):
        await ownership.say_as_owner(user, here, 1, "x")
    with pytest.raises(Aborted) as late:
        await ownership.take_over(bob, here, 7)
    assert late.value.reason == "OWNER_CHANGED"
    with pytest.raises(Aborted):
        await ownership.say_as_owner(bob, here, 1, "the assistant owns it")
    with pytest.raises(NotFound):
        await ownership.take_over(bob, uuid4(), 1)
    foreign: Any = Caller(tenant_id=uuid4(), tenant="other", user_id="eve", role=Role.ADMIN)
    with pytest.raises(NotFound):
        await ownership.take_over(foreign, here, 1)
    token = await ownership.take_over(bob, here, 1)
    await ownership.say_as_owner(bob, here, token, "x", "k")
    with pytest.raises(FailedPrecondition):
        await ownership.say_as_owner(bob, here, token, "y", "k")
    changed = await ana.conversations.GetConversation(
        conversation_pb2.GetConversationRequest(conversation_id=talk.id), metadata=ana.metadata
    )
    assert changed.conversation.owner == conversation_pb2.CONVERSATION_OWNER_AGENT
    assert changed.conversation.owner_token == token
