"""Conversations as resources: made once, changed with care, listed in pages, ended for good."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from deskwire.v1 import chat_pb2
from deskwire.v1 import conversation_pb2 as pb
from google.protobuf import field_mask_pb2

from tests.rpc.contract import call_as, find
from tests.support.server import Client, Server

_S = "/deskwire.v1.ConversationService/"


async def create(client: Client, *, request_id: str = "", **fields: str) -> pb.Conversation:
    made = await client.conversations.CreateConversation(
        pb.CreateConversationRequest(conversation=pb.Conversation(**fields), request_id=request_id),  # type: ignore[arg-type]
        metadata=client.metadata,
    )
    return made.conversation


async def update(client: Client, conversation: pb.Conversation, *paths: str, request_id: str = "") -> pb.Conversation:
    changed = await client.conversations.UpdateConversation(
        pb.UpdateConversationRequest(
            conversation=conversation, update_mask=field_mask_pb2.FieldMask(paths=paths), request_id=request_id
        ),
        metadata=client.metadata,
    )
    return changed.conversation


async def end(client: Client, conversation_id: str, status: Any = None) -> pb.Conversation:
    ended = await client.conversations.EndConversation(
        pb.EndConversationRequest(conversation_id=conversation_id, status=status), metadata=client.metadata
    )
    return ended.conversation


async def test_making_one_twice_with_a_request_id_is_making_one(ana: Client) -> None:
    first = await create(ana, title="Refund", request_id="r")
    assert await create(ana, title="Refund", request_id="r") == first
    assert (await create(ana, title="Refund")).id != first.id
    assert first.user_id == "ana"
    assert first.status == pb.CONVERSATION_STATUS_ACTIVE


async def test_a_session_has_one_conversation(ana: Client, server: Server, tenant: str) -> None:
    request = pb.GetOrCreateConversationRequest(session_id="s")
    made = await asyncio.gather(
        *(ana.conversations.GetOrCreateConversation(request, metadata=ana.metadata) for _ in range(10))
    )
    assert sum(each.created for each in made) == 1
    assert len({each.conversation.id for each in made}) == 1
    again = await call_as(ana, find(_S + "CreateConversation"), pb.CreateConversationRequest(
        conversation=pb.Conversation(session_id="s")))  # fmt: skip
    assert again.refusal is not None
    assert (again.refusal.code, again.refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "RESOURCE_EXISTS")
    ben = server.client(tenant=tenant, user="ben")
    theirs = await ben.conversations.GetOrCreateConversation(request, metadata=ben.metadata)
    assert theirs.created


async def test_an_update_changes_what_its_mask_names_and_moves_the_etag_on(ana: Client) -> None:
    made = await create(ana, name="Ana", email="ana@example.com")
    made.title, made.name = "Refund", ""
    changed = await update(ana, made, "title", "name")
    assert (changed.title, changed.name, changed.email) == ("Refund", "", "ana@example.com")
    assert changed.etag != made.etag
    with pytest.raises(grpc.aio.AioRpcError) as stale:
        await update(ana, made, "title")
    assert stale.value.code() is grpc.StatusCode.ABORTED
    without_mask = await update(ana, pb.Conversation(id=made.id, tags=["vip"], metadata={"k": "v"}))
    assert (list(without_mask.tags), dict(without_mask.metadata)) == (["vip"], {"k": "v"})
    assert without_mask.title == "Refund"


async def test_a_repeated_update_changes_nothing_more(ana: Client) -> None:
    made = await create(ana)
    change = pb.Conversation(id=made.id, title="One")
    first = await update(ana, change, "title", request_id="r")
    await update(ana, pb.Conversation(id=made.id, title="Two"), "title")
    repeated = await update(ana, change, "title", request_id="r")
    assert (first.title, repeated.title) == ("One", "Two")


async def test_watchers_see_changes_and_the_end(ana: Client) -> None:
    made = await create(ana)
    watching = ana.chat.WatchConversation(
        chat_pb2.WatchConversationRequest(conversation_id=made.id), metadata=ana.metadata, timeout=15
    )
    seen = []
    async for response in watching:
        if response.event.WhichOneof("event") == "connection_status":
            changed = await update(ana, pb.Conversation(id=made.id, title="Refund"))
            ended = await end(ana, made.id)
        if response.event.WhichOneof("event") == "conversation_changed":
            seen.append(response.event)
        if len(seen) == 2:
            break
    watching.cancel()
    assert [event.sequence for event in seen] == [1, 2]
    assert [event.conversation_changed.conversation for event in seen] == [changed, ended]
    assert ended.status == pb.CONVERSATION_STATUS_COMPLETED
    assert ended.HasField("end_time")


async def test_an_end_is_final(ana: Client) -> None:
    made = await create(ana)
    ended = await end(ana, made.id, pb.CONVERSATION_STATUS_ABANDONED)
    assert await end(ana, made.id, pb.CONVERSATION_STATUS_ABANDONED) == ended
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await end(ana, made.id, pb.CONVERSATION_STATUS_COMPLETED)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_pages_hold_everything_once(ana: Client) -> None:
    made = [(await create(ana, title=f"Number {number}")).id for number in range(7)]
    await end(ana, made[0])
    listed, token, pages = [], "", 0
    while True:
        page = await ana.conversations.ListConversations(
            pb.ListConversationsRequest(page_size=3, page_token=token), metadata=ana.metadata
        )
        listed += [each.id for each in page.conversations]
        pages, token = pages + 1, page.next_page_token
        if not token:
            break
    assert listed == [made[0], *reversed(made[1:])], "by latest activity"
    assert pages == 3
    active = await ana.conversations.ListConversations(
        pb.ListConversationsRequest(statuses=[pb.CONVERSATION_STATUS_COMPLETED]), metadata=ana.metadata
    )
    assert [each.id for each in active.conversations] == [made[0]]
    found = await ana.conversations.ListConversations(
        pb.ListConversationsRequest(query="NUMBER 3"), metadata=ana.metadata
    )
    assert [each.id for each in found.conversations] == [made[3]]


@pytest.mark.parametrize("newest_first", [False, True])
async def test_messages_in_pages(ana: Client, newest_first: bool) -> None:
    for text in ("one", "two"):
        answered = await ana.chat.Chat(
            chat_pb2.ChatRequest(session_id="s", message=chat_pb2.UserMessage(text=text)), metadata=ana.metadata
        )
    listed, token = [], ""
    while True:
        page = await ana.conversations.ListMessages(
            pb.ListMessagesRequest(
                conversation_id=answered.conversation_id, page_size=3, page_token=token, newest_first=newest_first
            ),
            metadata=ana.metadata,
        )
        listed += [message.text for message in page.messages]
        token = page.next_page_token
        if not token:
            break
    wanted = ["one", "Hello there.", "two", "Hello there."]
    assert listed == (wanted[::-1] if newest_first else wanted)
