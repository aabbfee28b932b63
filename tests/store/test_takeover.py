"""A worker that is lost in the middle of an answer: another one finishes the turn, and the client sees one answer."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2, event_pb2

from tests.store.conftest import Roles
from tests.store.turns import accept
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server, make_settings, new_tenant, running_server

FOREVER = 3_600.0
"""A lease that its holder need not renew while a test lasts."""


async def worker_of(roles: Roles, turn_id: str) -> UUID:
    """The worker that holds a turn."""
    holder = await roles.system.fetchval("SELECT worker_id FROM runnable_turns WHERE turn_id = $1", turn_id)
    assert holder is not None
    return UUID(str(holder))


async def lapse(roles: Roles, worker: UUID) -> None:
    """A worker's lease runs out, as if it had stood still."""
    ended = await roles.system.execute(
        "UPDATE workers SET lease_until = now() - interval '1 second' WHERE id = $1", worker
    )
    assert ended == "UPDATE 1"


async def ask(client: Client, events: list[event_pb2.ConversationEvent], **fields: Any) -> None:
    request = chat_pb2.SendMessageRequest(message=chat_pb2.UserMessage(text="Hi"), **fields)
    async for response in client.chat.SendMessage(request, metadata=client.metadata, timeout=20):
        events.append(response.event)


async def until(condition: Any) -> None:
    async with asyncio.timeout(8):
        while not condition():
            await asyncio.sleep(0.01)


async def messages_of(server: Server, client: Client, conversation_id: str) -> list[common_pb2.Message]:
    listed = await server.client(tenant="unused").conversations.ListMessages(
        conversation_pb2.ListMessagesRequest(conversation_id=conversation_id), metadata=client.metadata
    )
    return list(listed.messages)


async def test_another_worker_finishes_the_turn(postgres: TestPostgres, roles: Roles) -> None:
    stuck, healthy = ScriptedProvider(pieces=("Half an ", "answer"), gate=asyncio.Event()), ScriptedProvider()
    async with (
        running_server(make_settings(postgres, turn_lease=FOREVER), provider=stuck, alone=False) as lost,
        running_server(make_settings(postgres, turn_lease=0.4), provider=healthy, alone=False) as heir,
    ):
        client = lost.client(tenant=new_tenant())
        events: list[event_pb2.ConversationEvent] = []
        asked = asyncio.create_task(ask(client, events))
        await until(lambda: any(event.WhichOneof("event") == "text_delta" for event in events))
        await lapse(roles, await worker_of(roles, events[-1].turn_id))
        await asked
        assert stuck.gate is not None
        await until(lambda: stuck.closed)
        stuck.gate.set()

        durable = [event for event in events if event.sequence]
        assert [event.sequence for event in durable] == [1, 2, 3, 4]
        assert [event.turn_started.attempt for event in durable if event.HasField("turn_started")] == [1, 2]
        completed = events[-1].message_completed.message
        assert completed.text == "Hello there."
        assert (len(stuck.requests), len(healthy.requests)) == (1, 1)
        for server in (lost, heir):
            kept = await messages_of(server, client, completed.conversation_id)
            assert [(message.role, message.text) for message in kept] == [
                (common_pb2.MESSAGE_ROLE_USER, "Hi"), (common_pb2.MESSAGE_ROLE_ASSISTANT, "Hello there.")
            ]  # fmt: skip


async def test_a_turn_that_nobody_began_is_begun(postgres: TestPostgres, roles: Roles) -> None:
    """Its worker was lost between the commit and the first step."""
    async with running_server(make_settings(postgres, turn_lease=0.4), provider=ScriptedProvider()) as heir:
        tenant = new_tenant()
        client = heir.client(tenant=tenant)
        made = await client.conversations.CreateConversation(
            conversation_pb2.CreateConversationRequest(), metadata=client.metadata
        )
        tenant_id = await roles.app.fetchval("SELECT id FROM tenant_find($1)", tenant)
        conversation_id = UUID(made.conversation.id)
        accepted = [await accept(roles.app, tenant_id, conversation=conversation_id, text=text) for text in "ab"]
        done: set[str] = set()
        watch = chat_pb2.WatchConversationRequest(conversation_id=made.conversation.id, after_sequence=0)
        call = client.chat.WatchConversation(watch, metadata=client.metadata, timeout=20)
        async for response in call:
            if response.event.WhichOneof("event") == "message_completed":
                done.add(response.event.turn_id)
            if len(done) == len(accepted):
                break
        assert done == {str(row["turn_id"]) for row in accepted}
        parents = [message.parent_message_id for message in await messages_of(heir, client, made.conversation.id)]
        assert parents[-2:] == [str(row["question_id"]) for row in accepted], "in the order of the questions"


async def test_a_worker_with_many_long_turns_still_takes_over(postgres: TestPostgres, roles: Roles) -> None:
    count = 60
    busy = ScriptedProvider(gate=asyncio.Event(), gate_after=0)
    settings = make_settings(postgres, turn_lease=0.4, max_streams_per_user=100)
    async with running_server(settings, provider=busy) as heir:
        tenant = new_tenant()
        client = heir.client(tenant=tenant)
        asked = [asyncio.create_task(ask(client, [])) for _ in range(count)]
        await until(lambda: len(busy.requests) == count)
        tenant_id = await roles.app.fetchval("SELECT id FROM tenant_find($1)", tenant)
        lost = await accept(roles.app, tenant_id, text="lost")
        await until(lambda: len(busy.requests) == count + 1)
        assert busy.gate is not None
        busy.gate.set()
        await asyncio.gather(*asked)
        assert busy.requests[-1].messages[-1].content == "lost"
        assert lost["outcome"] == "accepted"
