"""Questions edited and answers made anew: both versions are kept, one branch is the active one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from deskwire.compat.v1 import site_pb2, site_pb2_grpc
from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2, event_pb2
from google.protobuf import json_format

from tests.rpc.refusals import Refusal, read_refusal
from tests.rpc.requests import NEVER
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server, make_settings, running_server

Way = Callable[..., Coroutine[Any, Any, common_pb2.Message]]


async def ask(client: Client, text: str, **fields: Any) -> chat_pb2.ChatResponse:
    """A question over the unary call; fields of the message and of the request."""
    target = {key: fields.pop(key) for key in ("conversation_id", "session_id") if key in fields}
    request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=text, **fields), **target)
    return await client.chat.Chat(request, metadata=client.metadata, timeout=15)


async def events_of(call: Any) -> list[event_pb2.ConversationEvent]:
    return [response.event async for response in call]


async def regenerate(client: Client, conversation_id: str, message_id: str, **fields: Any) -> list[Any]:
    request = chat_pb2.RegenerateAnswerRequest(conversation_id=conversation_id, message_id=message_id, **fields)
    return await events_of(client.chat.RegenerateAnswer(request, metadata=client.metadata, timeout=15))


async def converse(client: Client, conversation_id: str, **request: Any) -> list[event_pb2.ConversationEvent]:
    requests = [
        chat_pb2.ConverseRequest(open=chat_pb2.OpenConversation(conversation_id=conversation_id)),
        chat_pb2.ConverseRequest(**request),
        chat_pb2.ConverseRequest(close=chat_pb2.CloseConversationStream()),
    ]
    return await events_of(client.chat.Converse(iter(requests), metadata=client.metadata, timeout=15))


async def listed(client: Client, conversation_id: str, **fields: Any) -> list[common_pb2.Message]:
    request = conversation_pb2.ListMessagesRequest(conversation_id=conversation_id, **fields)
    return list((await client.conversations.ListMessages(request, metadata=client.metadata)).messages)


async def texts(client: Client, conversation_id: str, **fields: Any) -> list[str]:
    return [message.text for message in await listed(client, conversation_id, **fields)]


async def get(client: Client, conversation_id: str) -> conversation_pb2.Conversation:
    request = conversation_pb2.GetConversationRequest(conversation_id=conversation_id)
    return (await client.conversations.GetConversation(request, metadata=client.metadata)).conversation


async def select(client: Client, conversation_id: str, message_id: str, request_id: str = "") -> Any:
    request = conversation_pb2.SelectBranchRequest(
        conversation_id=conversation_id, message_id=message_id, request_id=request_id
    )
    return (await client.conversations.SelectBranch(request, metadata=client.metadata)).conversation


async def refused(call: Coroutine[Any, Any, Any]) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return read_refusal(error.value)


def kinds(events: list[event_pb2.ConversationEvent]) -> list[str | None]:
    return [event.WhichOneof("event") for event in events]


def completed(events: list[event_pb2.ConversationEvent]) -> common_pb2.Message:
    return next(e.message_completed.message for e in events if e.WhichOneof("event") == "message_completed")


# Three ways in.


async def edit_by_chat(client: Client, conversation_id: str, text: str, replaces: str) -> common_pb2.Message:
    return (await ask(client, text, conversation_id=conversation_id, replaces_message_id=replaces)).message


async def edit_by_send(client: Client, conversation_id: str, text: str, replaces: str) -> common_pb2.Message:
    message = chat_pb2.UserMessage(text=text, replaces_message_id=replaces)
    request = chat_pb2.SendMessageRequest(conversation_id=conversation_id, message=message)
    return completed(await events_of(client.chat.SendMessage(request, metadata=client.metadata, timeout=15)))


async def edit_by_converse(client: Client, conversation_id: str, text: str, replaces: str) -> common_pb2.Message:
    message = chat_pb2.UserMessage(text=text, replaces_message_id=replaces)
    return completed(await converse(client, conversation_id, message=message))


@pytest.mark.parametrize("edit", [edit_by_chat, edit_by_send, edit_by_converse])
async def test_an_edited_question_begins_a_branch_and_the_old_one_is_kept(
    ana: Client, provider: ScriptedProvider, edit: Way
) -> None:
    first = await ask(ana, "one", session_id="s")
    conversation_id = first.conversation_id
    second = await ask(ana, "two", session_id="s")
    await ask(ana, "three", session_id="s")
    provider.pieces = ("Anew.",)
    answer = await edit(ana, conversation_id, "two, but better", second.user_message.id)

    assert [m.content for m in provider.requests[-1].messages] == ["one", "Hello there.", "two, but better"]
    branch = await listed(ana, conversation_id)
    assert [m.text for m in branch] == ["one", "Hello there.", "two, but better", "Anew."]
    edited = branch[2]
    assert edited.parent_message_id == first.message.id == second.user_message.parent_message_id
    assert list(edited.alternative_message_ids) == [second.user_message.id, edited.id]
    assert not branch[0].alternative_message_ids
    assert not branch[3].alternative_message_ids
    assert branch[3].id == answer.id == (await get(ana, conversation_id)).head_message_id
    everything = await texts(ana, conversation_id, all_branches=True)
    assert everything == [
        "one", "Hello there.", "two", "Hello there.", "three", "Hello there.", "two, but better", "Anew."
    ]  # fmt: skip

    await ask(ana, "four", session_id="s")
    assert [m.content for m in provider.requests[-1].messages] == [
        "one", "Hello there.", "two, but better", "Anew.", "four"
    ]  # fmt: skip


async def test_the_first_question_can_be_edited(ana: Client, provider: ScriptedProvider) -> None:
    first = await ask(ana, "one", session_id="s")
    again = await ask(ana, "uno", session_id="s", replaces_message_id=first.user_message.id)
    assert [m.content for m in provider.requests[-1].messages] == ["uno"]
    assert not again.user_message.parent_message_id
    branch = await listed(ana, first.conversation_id)
    assert [m.text for m in branch] == ["uno", "Hello there."]
    assert list(branch[0].alternative_message_ids) == [first.user_message.id, again.user_message.id]


async def again_by_call(client: Client, conversation_id: str, message_id: str) -> list[Any]:
    return await regenerate(client, conversation_id, message_id)


async def again_by_converse(client: Client, conversation_id: str, message_id: str) -> list[Any]:
    return await converse(client, conversation_id, regenerate=chat_pb2.Regeneration(message_id=message_id))


@pytest.mark.parametrize("again", [again_by_call, again_by_converse])
@pytest.mark.parametrize("names", ["the question", "the answer"])
async def test_an_answer_made_anew_stands_beside_the_old_one(
    ana: Client, provider: ScriptedProvider, again: Callable[..., Coroutine[Any, Any, list[Any]]], names: str
) -> None:
    await ask(ana, "one", session_id="s")
    second = await ask(ana, "two", session_id="s")
    conversation_id = second.conversation_id
    await ask(ana, "three", session_id="s")
    provider.pieces = ("Anew.",)
    named = second.user_message if names == "the question" else second.message
    events = await again(ana, conversation_id, named.id)

    durable = [event for event in events if event.sequence]
    assert kinds(durable) == ["regeneration_accepted", "turn_started", "message_completed"]
    accepted, answer = durable[0].regeneration_accepted, completed(events)
    assert accepted.question_message_id == second.user_message.id
    assert accepted.request_id
    assert accepted.queue_position == 0
    assert answer.parent_message_id == second.user_message.id
    assert answer.turn_id not in ("", second.message.turn_id)
    assert [m.content for m in provider.requests[-1].messages] == ["one", "Hello there.", "two"]
    branch = await listed(ana, conversation_id)
    assert [m.text for m in branch] == ["one", "Hello there.", "two", "Anew."]
    assert list(branch[3].alternative_message_ids) == [second.message.id, answer.id]
    assert not branch[2].alternative_message_ids
    conversation = await get(ana, conversation_id)
    assert (conversation.head_message_id, conversation.message_count) == (answer.id, 7)

    await ask(ana, "four", session_id="s")
    assert [m.content for m in provider.requests[-1].messages] == ["one", "Hello there.", "two", "Anew.", "four"]


async def test_a_branch_is_selected_and_goes_on(ana: Client, provider: ScriptedProvider) -> None:
    first = await ask(ana, "one", session_id="s")
    conversation_id = first.conversation_id
    second = await ask(ana, "two", session_id="s")
    await ask(ana, "dos", session_id="s", replaces_message_id=second.user_message.id)
    watch = chat_pb2.WatchConversationRequest(conversation_id=conversation_id)
    watching = ana.chat.WatchConversation(watch, metadata=ana.metadata, timeout=15)
    await watching.read()

    changed = await select(ana, conversation_id, second.user_message.id, "select-1")
    response: Any = await watching.read()
    event = response.event
    watching.cancel()
    assert event.conversation_changed.conversation == changed
    assert event.sequence == changed.last_sequence
    assert changed.head_message_id == second.message.id
    assert await texts(ana, conversation_id) == ["one", "Hello there.", "two", "Hello there."]
    assert await select(ana, conversation_id, second.user_message.id, "select-1") == changed
    assert await select(ana, conversation_id, second.message.id) == changed, "nothing to change, nothing said"
    reuse = await refused(select(ana, conversation_id, first.message.id, "select-1"))
    assert (reuse.code, reuse.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED")

    await ask(ana, "three", session_id="s")
    assert [m.content for m in provider.requests[-1].messages] == [
        "one", "Hello there.", "two", "Hello there.", "three"
    ]  # fmt: skip
    newest = await select(ana, conversation_id, first.user_message.id)
    assert newest.head_message_id == (await listed(ana, conversation_id))[-1].id
    assert (await texts(ana, conversation_id))[-2:] == ["three", "Hello there."]


async def test_a_branch_is_not_selected_while_an_answer_runs(ana: Client, provider: ScriptedProvider) -> None:
    first = await ask(ana, "one", session_id="s")
    provider.gate, provider.gate_after = asyncio.Event(), 0
    asking = asyncio.create_task(ask(ana, "two", session_id="s"))
    while len(provider.requests) < 2:
        await asyncio.sleep(0.01)
    refusal = await refused(select(ana, first.conversation_id, first.message.id))
    provider.gate.set()
    await asking
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ANSWER_RUNNING")


async def test_making_anew_is_idempotent(ana: Client, provider: ScriptedProvider) -> None:
    first = await ask(ana, "one", session_id="s")
    made = [
        completed(await regenerate(ana, first.conversation_id, first.message.id, request_id="again")) for _ in range(2)
    ]
    assert made[0] == made[1]
    assert len(provider.requests) == 2
    other = await refused(regenerate(ana, first.conversation_id, first.user_message.id, request_id="again"))
    assert (other.code, other.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED")
    message = await refused(ask(ana, "one", session_id="s", request_id="again"))
    assert message.reason == "REQUEST_ID_REUSED", "a message is no regeneration"


async def test_an_edit_with_the_same_request_id_is_one_edit(ana: Client, provider: ScriptedProvider) -> None:
    first = await ask(ana, "one", session_id="s")
    edit: dict[str, Any] = {"session_id": "s", "request_id": "edit"}
    once = await ask(ana, "uno", replaces_message_id=first.user_message.id, **edit)
    assert (await ask(ana, "uno", replaces_message_id=first.user_message.id, **edit)).message == once.message
    other = await refused(ask(ana, "uno", **edit))
    assert other.reason == "REQUEST_ID_REUSED", "the place is part of the body"
    assert len(provider.requests) == 2


async def test_while_an_answer_runs(ana: Client, provider: ScriptedProvider) -> None:
    first = await ask(ana, "one", session_id="s")
    conversation_id = first.conversation_id
    provider.gate = asyncio.Event()
    running = asyncio.create_task(refused(ask(ana, "two", session_id="s")))
    while len(provider.requests) < 2:
        await asyncio.sleep(0.01)
    refusing = regenerate(ana, conversation_id, first.message.id, while_answering=chat_pb2.WHILE_ANSWERING_REFUSE)
    assert (await refused(refusing)).reason == "ANSWER_RUNNING"
    interrupting = asyncio.create_task(
        regenerate(ana, conversation_id, first.message.id, while_answering=chat_pb2.WHILE_ANSWERING_INTERRUPT)
    )
    assert (await running).code is grpc.StatusCode.ABORTED
    provider.gate.set()
    events = await interrupting
    assert events[-1].WhichOneof("event") == "message_completed"
    accepted = next(e for e in events if e.WhichOneof("event") == "regeneration_accepted")
    assert accepted.regeneration_accepted.queue_position == 1
    assert await texts(ana, conversation_id) == ["one", "Hello there."]
    assert [m.content for m in provider.requests[-1].messages] == ["one"]


async def test_a_question_asked_during_an_answer_names_the_answer_to_come(
    ana: Client, provider: ScriptedProvider
) -> None:
    provider.gate = asyncio.Event()
    first = asyncio.create_task(ask(ana, "one", session_id="s"))
    while not provider.requests:
        await asyncio.sleep(0.01)
    second = asyncio.create_task(ask(ana, "two", session_id="s"))
    await asyncio.sleep(0)
    provider.gate.set()
    one, two = await first, await second
    assert two.user_message.parent_message_id == one.message.id
    assert two.message.parent_message_id == two.user_message.id
    assert [m.content for m in provider.requests[-1].messages] == ["one", "Hello there.", "two"]


async def test_a_question_after_a_turn_without_text_names_its_question(ana: Client, provider: ScriptedProvider) -> None:
    provider.gate, provider.gate_after = asyncio.Event(), 0
    first = asyncio.create_task(refused(ask(ana, "one", session_id="s", request_id="first")))
    while not provider.requests:
        await asyncio.sleep(0.01)
    conversation = (
        await ana.conversations.GetOrCreateConversation(
            conversation_pb2.GetOrCreateConversationRequest(session_id="s"), metadata=ana.metadata
        )
    ).conversation
    cancel = chat_pb2.CancelTurnRequest(conversation_id=conversation.id)
    await ana.chat.CancelTurn(cancel, metadata=ana.metadata)
    await first
    provider.gate.set()
    (question,) = await listed(ana, conversation.id)
    assert (await get(ana, conversation.id)).head_message_id == question.id
    assert (await ask(ana, "two", session_id="s")).user_message.parent_message_id == question.id


@pytest.fixture
async def pair(postgres: TestPostgres, provider: ScriptedProvider) -> AsyncIterator[tuple[Server, Server]]:
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(running_server(make_settings(postgres), provider=provider, alone=False))
            for _ in range(2)
        ]
        yield servers[0], servers[1]


async def test_a_regenerated_turn_is_resumed_on_another_server(
    pair: tuple[Server, Server], provider: ScriptedProvider, tenant: str
) -> None:
    here, there = (server.client(tenant=tenant) for server in pair)
    first = await ask(here, "one", session_id="s")
    provider.gate = asyncio.Event()
    request = chat_pb2.RegenerateAnswerRequest(
        conversation_id=first.conversation_id, message_id=first.message.id, request_id="again"
    )
    call = here.chat.RegenerateAnswer(request, metadata=here.metadata, timeout=15)
    seen = 0
    async for response in call:
        seen = response.event.sequence or seen
        if response.event.WhichOneof("event") == "text_delta":
            break
    call.cancel()
    request.after_sequence = seen
    resumed = there.chat.RegenerateAnswer(request, metadata=there.metadata, timeout=15)
    text, last = "", None
    async for response in resumed:
        last = response.event
        if last.WhichOneof("event") == "text_delta":
            assert last.text_delta.offset == len(text)
            text += last.text_delta.text
            provider.gate.set()
    assert last is not None
    assert last.message_completed.message.text == "Hello there."
    assert last.sequence == seen + 1
    assert len(provider.requests) == 2


# Bad input.


async def test_what_is_not_there_can_neither_be_edited_nor_answered_anew_nor_selected(
    ana: Client, server: Server, tenant: str
) -> None:
    first = await ask(ana, "one", session_id="s")
    elsewhere = await ask(ana, "one", session_id="t")
    ben = server.client(tenant=tenant, user="ben")
    theirs = await ask(ben, "mine", session_id="s")
    foreign = [NEVER, elsewhere.user_message.id, elsewhere.message.id, theirs.user_message.id, theirs.message.id]
    here = first.conversation_id
    before = (await get(ana, here)).last_sequence
    attempts: list[Callable[[str], Coroutine[Any, Any, Any]]] = [
        lambda message: ask(ana, "x", conversation_id=here, replaces_message_id=message),
        lambda message: ask(ana, "x", replaces_message_id=message),
        lambda message: edit_by_send(ana, here, "x", message),
        lambda message: edit_by_converse(ana, here, "x", message),
        lambda message: regenerate(ana, here, message),
        lambda message: converse(ana, here, regenerate=chat_pb2.Regeneration(message_id=message)),
        lambda message: select(ana, here, message),
    ]
    for attempt in attempts:
        told = {str((await refused(attempt(message))).status) for message in foreign}
        assert len(told) == 1, "a foreign id is a miss, byte for byte"
        refusal = await refused(attempt(NEVER))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")
    answer = await refused(ask(ana, "x", conversation_id=here, replaces_message_id=first.message.id))
    assert answer.code is grpc.StatusCode.NOT_FOUND, "an answer is no question"
    assert (await get(ana, here)).last_sequence == before
    for unseen in (
        regenerate(ana, theirs.conversation_id, theirs.message.id),
        select(ana, theirs.conversation_id, theirs.message.id),
    ):
        missing = await refused(unseen)
        assert (missing.code, missing.message) == (grpc.StatusCode.NOT_FOUND, "conversation not found")


@pytest.mark.parametrize("message_id", ["", "no-id", "x" * 300])
async def test_ids_that_are_none(ana: Client, message_id: str) -> None:
    first = await ask(ana, "one", session_id="s")
    for attempt in (regenerate(ana, first.conversation_id, message_id), select(ana, first.conversation_id, message_id)):
        refusal = await refused(attempt)
        assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["message_id"])


async def test_an_unknown_provider_for_a_new_answer(ana: Client) -> None:
    first = await ask(ana, "one", session_id="s")
    options = common_pb2.AnswerOptions(provider="nobody")
    refusal = await refused(regenerate(ana, first.conversation_id, first.message.id, options=options))
    assert (refusal.reason, refusal.fields) == ("PROVIDER_UNKNOWN", ["options.provider"])


async def test_a_closed_conversation_makes_no_new_answer(ana: Client) -> None:
    first = await ask(ana, "one", session_id="s")
    await ana.conversations.EndConversation(
        conversation_pb2.EndConversationRequest(conversation_id=first.conversation_id), metadata=ana.metadata
    )
    refusal = await refused(regenerate(ana, first.conversation_id, first.message.id))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CONVERSATION_CLOSED")


# A cursor that the conversation can't serve is refused before anything is kept.


async def test_a_cursor_ahead_keeps_nothing(ana: Client, provider: ScriptedProvider) -> None:
    first = await ask(ana, "one", session_id="s")
    message = chat_pb2.UserMessage(text="two", request_id="ahead")
    for target in ({"conversation_id": first.conversation_id}, {"session_id": "s"}):
        request = chat_pb2.SendMessageRequest(message=message, after_sequence=4, **target)  # type: ignore[arg-type]
        refusal = await refused(events_of(ana.chat.SendMessage(request, metadata=ana.metadata)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_AHEAD")
        assert "last_sequence" in str(refusal.status)
    again = await refused(regenerate(ana, first.conversation_id, first.message.id, after_sequence=99))
    assert again.reason == "CURSOR_AHEAD"
    for open_ in (
        chat_pb2.OpenConversation(after_sequence=1),
        chat_pb2.OpenConversation(after_sequence=1, session_id="n"),
    ):
        requests = [chat_pb2.ConverseRequest(open=open_), chat_pb2.ConverseRequest(message=message)]
        refusal = await refused(events_of(ana.chat.Converse(iter(requests), metadata=ana.metadata)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_AHEAD")
    for fields in ({}, {"session_id": "new"}):
        request = chat_pb2.SendMessageRequest(message=message, after_sequence=1, **fields)  # type: ignore[arg-type]
        refusal = await refused(events_of(ana.chat.SendMessage(request, metadata=ana.metadata)))
        assert refusal.reason == "CURSOR_AHEAD"
    found = await ana.conversations.ListConversations(
        conversation_pb2.ListConversationsRequest(), metadata=ana.metadata
    )
    assert [(each.id, each.last_sequence) for each in found.conversations] == [(first.conversation_id, 3)]
    assert len(provider.requests) == 1
    whole = chat_pb2.SendMessageRequest(message=message, session_id="new", after_sequence=0)
    events = await events_of(ana.chat.SendMessage(whole, metadata=ana.metadata, timeout=15))
    assert [event.sequence for event in events if event.sequence] == [1, 2, 3]


# Lists.


async def test_pages_of_a_branch(ana: Client) -> None:
    first = await ask(ana, "one", session_id="s")
    await ask(ana, "two", session_id="s")
    await ask(ana, "uno", session_id="s", replaces_message_id=first.user_message.id)
    await ask(ana, "dos", session_id="s")
    for newest_first in (False, True):
        found, token = [], ""
        while True:
            page = await ana.conversations.ListMessages(
                conversation_pb2.ListMessagesRequest(
                    conversation_id=first.conversation_id, page_size=1, page_token=token, newest_first=newest_first
                ),
                metadata=ana.metadata,
            )
            found += [message.text for message in page.messages]
            token = page.next_page_token
            if not token:
                break
        wanted = ["uno", "Hello there.", "dos", "Hello there."]
        assert found == (wanted[::-1] if newest_first else wanted)
    some = await ana.conversations.ListMessages(
        conversation_pb2.ListMessagesRequest(conversation_id=first.conversation_id, page_size=1), metadata=ana.metadata
    )
    other = conversation_pb2.ListMessagesRequest(
        conversation_id=first.conversation_id, page_token=some.next_page_token, all_branches=True
    )
    forged = await refused(_awaited(ana.conversations.ListMessages(other, metadata=ana.metadata)))
    assert forged.reason == "PAGE_TOKEN_INVALID", "a token belongs to one list"


async def _awaited(call: Any) -> Any:
    return await call


async def test_older_paths_list_the_active_branch(ana: Client) -> None:
    first = await ask(ana, "one", session_id="s")
    await ask(ana, "uno", session_id="s", replaces_message_id=first.user_message.id)
    site = site_pb2_grpc.SiteAssistantServiceStub(ana.channel)
    found = await site.GetConversation(
        site_pb2.SiteAssistantServiceGetConversationRequest(id=first.conversation_id), metadata=ana.metadata
    )
    text = json_format.MessageToJson(found).partition('"messages"')[2]
    assert '"uno"' in text
    assert '"one"' not in text


async def test_owner_and_limits_of_a_conversation_are_told(ana: Client) -> None:
    first = await ask(ana, "one", session_id="s")
    conversation = await get(ana, first.conversation_id)
    assert conversation.owner == conversation_pb2.CONVERSATION_OWNER_BOT
    assert (conversation.owner_token, conversation.earliest_sequence) == (1, 1)
    assert conversation.head_message_id == first.message.id
    empty = await ana.conversations.CreateConversation(
        conversation_pb2.CreateConversationRequest(), metadata=ana.metadata
    )
    assert not empty.conversation.head_message_id
