"""Asking over every way in: what is committed, what is streamed, what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2, event_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from deskwire_server.llm.port import ProviderError
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server, make_settings, running_server

TERMINAL = {"message_completed", "turn_failed", "turn_cancelled"}


def user_message(text: str, **fields: Any) -> chat_pb2.UserMessage:
    return chat_pb2.UserMessage(text=text, **fields)


async def send(client: Client, text: str, **fields: Any) -> list[event_pb2.ConversationEvent]:
    target = {key: fields.pop(key) for key in ("conversation_id", "session_id", "after_sequence") if key in fields}
    request = chat_pb2.SendMessageRequest(message=user_message(text, **fields), **target)
    call = client.chat.SendMessage(request, metadata=client.metadata, timeout=10)
    return [response.event async for response in call]


def kinds(events: list[event_pb2.ConversationEvent]) -> list[str]:
    return [str(event.WhichOneof("event")) for event in events]


def text_of(events: list[event_pb2.ConversationEvent]) -> str:
    return "".join(event.text_delta.text for event in events if event.WhichOneof("event") == "text_delta")


def error_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


async def test_events_of_a_turn_come_in_order_and_the_message_is_kept(ana: Client) -> None:
    events = await send(ana, "Hi", session_id="s1")

    assert kinds(events)[0] == "connection_status"
    durable = [event for event in events if event.sequence]
    assert [event.sequence for event in durable] == [1, 2, 3]
    assert kinds(durable) == ["message_accepted", "turn_started", "message_completed"]
    assert text_of(events) == "Hello there."
    message = durable[-1].message_completed.message
    assert message.text == "Hello there."
    assert message.answer.provider == "scripted"
    assert message.answer.usage.total_tokens == 9
    assert message.answer.finish_reason == common_pb2.FINISH_REASON_STOP
    assert message.answer.HasField("processing_time")
    listed = await ana.conversations.ListMessages(
        conversation_pb2.ListMessagesRequest(conversation_id=message.conversation_id), metadata=ana.metadata
    )
    assert [(each.role, each.text) for each in listed.messages] == [
        (common_pb2.MESSAGE_ROLE_USER, "Hi"),
        (common_pb2.MESSAGE_ROLE_ASSISTANT, "Hello there."),
    ]
    assert listed.messages[1].parent_message_id == listed.messages[0].id


async def test_chat_returns_the_whole_answer(ana: Client) -> None:
    response = await ana.chat.Chat(chat_pb2.ChatRequest(message=user_message("Hi")), metadata=ana.metadata)

    assert response.message.text == "Hello there."
    assert response.user_message.text == "Hi"
    assert response.conversation_id == response.message.conversation_id


async def test_history_informs_the_next_answer_unless_it_is_off(ana: Client, provider: ScriptedProvider) -> None:
    await send(ana, "first", session_id="s")
    await send(ana, "second", session_id="s")
    await send(ana, "third", session_id="s", options=common_pb2.AnswerOptions(max_history_messages=1))
    await send(ana, "fourth", session_id="s", options=common_pb2.AnswerOptions(include_history=False))

    seen = [[message.content for message in request.messages] for request in provider.requests]
    assert seen == [["first"], ["first", "Hello there.", "second"], ["Hello there.", "third"], ["fourth"]]


async def test_history_keeps_to_its_budget(postgres: TestPostgres, provider: ScriptedProvider, tenant: str) -> None:
    async with running_server(make_settings(postgres, history_tokens=10), provider=provider) as server:
        client = server.client(tenant=tenant)
        await send(client, "a question of more than forty characters, all in all", session_id="s")
        await send(client, "second", session_id="s")

    assert [message.content for message in provider.requests[1].messages] == ["Hello there.", "second"]


async def test_a_repeat_joins_the_first_turn(ana: Client, provider: ScriptedProvider) -> None:
    first = await send(ana, "Hi", request_id="r-1")
    again = await send(ana, "Hi", request_id="r-1")

    assert len(provider.requests) == 1
    assert [event.sequence for event in again if event.sequence] == [1, 2, 3]
    assert again[-1].message_completed.message == first[-1].message_completed.message


async def test_a_repeat_joins_a_running_turn(ana: Client, provider: ScriptedProvider) -> None:
    provider.gate = asyncio.Event()
    both = asyncio.gather(send(ana, "Hi", request_id="r-1"), send(ana, "Hi", request_id="r-1"))
    while not provider.requests:
        await asyncio.sleep(0.01)
    provider.gate.set()

    # The later of the two may join when the answer is whole already: then it gets no deltas, but the same end.
    ends = [events[-1].message_completed.message for events in await both]
    assert len(provider.requests) == 1
    assert ends[0] == ends[1]
    assert ends[0].text == "Hello there."


async def test_a_request_id_with_another_body_is_refused(ana: Client) -> None:
    await send(ana, "Hi", request_id="r-1")

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await send(ana, "Something else", request_id="r-1")
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error_info(refused.value).reason == "REQUEST_ID_REUSED"


async def test_watching_resumes_from_a_cursor(ana: Client, provider: ScriptedProvider) -> None:
    events = await send(ana, "Hi", session_id="s")
    conversation_id = events[0].conversation_id
    await send(ana, "More", session_id="s")
    request = chat_pb2.WatchConversationRequest(conversation_id=conversation_id, after_sequence=2)
    seen = []
    async for response in ana.chat.WatchConversation(request, metadata=ana.metadata, timeout=10):
        if response.event.sequence:
            seen.append(response.event.sequence)
        if seen == [3, 4, 5, 6]:
            break

    assert seen == [3, 4, 5, 6]


async def test_who_comes_late_gets_the_text_so_far(ana: Client, provider: ScriptedProvider) -> None:
    provider.gate = asyncio.Event()
    sending = asyncio.create_task(send(ana, "Hi", session_id="s"))
    while not provider.requests:
        await asyncio.sleep(0.01)
    conversation = (
        await ana.conversations.GetOrCreateConversation(
            conversation_pb2.GetOrCreateConversationRequest(session_id="s"), metadata=ana.metadata
        )
    ).conversation
    call = ana.chat.WatchConversation(
        chat_pb2.WatchConversationRequest(conversation_id=conversation.id, after_sequence=0),
        metadata=ana.metadata,
        timeout=10,
    )
    text = ""
    async for response in call:
        kind = response.event.WhichOneof("event")
        if kind == "text_delta":
            assert response.event.text_delta.offset == len(text)
            text += response.event.text_delta.text
            provider.gate.set()
        if kind == "message_completed":
            break

    assert text == "Hello there."
    assert text_of(await sending) == "Hello there."


async def test_a_cursor_ahead_is_out_of_range(ana: Client) -> None:
    events = await send(ana, "Hi")
    request = chat_pb2.WatchConversationRequest(conversation_id=events[0].conversation_id, after_sequence=99)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        async for _ in ana.chat.WatchConversation(request, metadata=ana.metadata, timeout=10):
            pass
    assert refused.value.code() is grpc.StatusCode.OUT_OF_RANGE
    assert error_info(refused.value).metadata["last_sequence"] == "3"


async def test_cancel_closes_the_provider_and_keeps_the_text(ana: Client, provider: ScriptedProvider) -> None:
    provider.gate = asyncio.Event()
    request = chat_pb2.SendMessageRequest(message=user_message("Hi"))
    events = []
    async for response in ana.chat.SendMessage(request, metadata=ana.metadata, timeout=10):
        events.append(response.event)
        if response.event.WhichOneof("event") == "text_delta":
            cancelled = await ana.chat.CancelTurn(
                chat_pb2.CancelTurnRequest(conversation_id=response.event.conversation_id), metadata=ana.metadata
            )
            assert cancelled.cancelled

    assert provider.closed == 1
    last = events[-1].turn_cancelled
    assert last.partial_message.text == "Hello"
    assert last.partial_message.state == common_pb2.MESSAGE_STATE_CANCELLED
    assert last.partial_message.answer.finish_reason == common_pb2.FINISH_REASON_CANCELLED


async def test_a_second_message_waits_is_refused_or_interrupts(ana: Client, provider: ScriptedProvider) -> None:
    provider.gate = asyncio.Event()
    first = asyncio.create_task(send(ana, "one", session_id="s"))
    while not provider.requests:
        await asyncio.sleep(0.01)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await send(ana, "two", session_id="s", while_answering=chat_pb2.WHILE_ANSWERING_REFUSE)
    assert error_info(refused.value).reason == "ANSWER_RUNNING"

    queued = asyncio.create_task(send(ana, "three", session_id="s"))
    await committed(ana, "s", 2)
    assert not queued.done()
    interrupting = asyncio.create_task(
        send(ana, "four", session_id="s", while_answering=chat_pb2.WHILE_ANSWERING_INTERRUPT)
    )
    assert kinds(await first)[-1] == "turn_cancelled"
    assert kinds(await queued)[-1] == "turn_cancelled"
    provider.gate.set()
    assert kinds(await interrupting)[-1] == "message_completed"
    assert [request.messages[-1].content for request in provider.requests] == ["one", "four"]


async def test_queued_messages_are_answered_in_order(ana: Client, provider: ScriptedProvider) -> None:
    provider.gate = asyncio.Event()
    first = asyncio.create_task(send(ana, "one", session_id="s"))
    while not provider.requests:
        await asyncio.sleep(0.01)
    rest = [asyncio.create_task(send(ana, text, session_id="s")) for text in ("two", "three")]
    await committed(ana, "s", 3)
    provider.gate.set()
    results = await asyncio.gather(first, *rest)

    assert all(kinds(events)[-1] == "message_completed" for events in results)
    asked = [request.messages[-1].content for request in provider.requests]
    assert asked[0] == "one"
    assert sorted(asked[1:]) == ["three", "two"]


@pytest.mark.parametrize("pieces", [(), ("Half an ",)])
async def test_a_failing_provider_gives_way_to_quoted_passages(
    ana: Client, provider: ScriptedProvider, pieces: tuple[str, ...]
) -> None:
    provider.pieces = pieces
    provider.error = ProviderError("cut", provider="scripted", kind="cut", retryable=True)
    events = await send(ana, "What are your prices?")

    started = [event.turn_started.attempt for event in events if event.WhichOneof("event") == "turn_started"]
    assert started == [1, 2]
    message = events[-1].message_completed.message
    assert message.answer.provider == "builtin"
    assert message.answer.finish_reason == common_pb2.FINISH_REASON_FALLBACK
    assert "Half an" not in message.text
    last_attempt = [event.text_delta for event in events if event.text_delta.attempt == 2]
    assert "".join(delta.text for delta in last_attempt) == message.text


async def test_a_fault_ends_the_turn_in_an_explicit_state(ana: Client, provider: ScriptedProvider) -> None:
    provider.error = RuntimeError("secret inside")
    events = await send(ana, "Hi")

    failed = events[-1].turn_failed
    assert failed.partial_message.state == common_pb2.MESSAGE_STATE_FAILED
    assert "secret" not in str(events[-1])
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await ana.chat.Chat(chat_pb2.ChatRequest(message=user_message("Hi")), metadata=ana.metadata)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE


async def requests_of(*steps: Any) -> AsyncIterator[chat_pb2.ConverseRequest]:
    for step in steps:
        yield step


def opening(**fields: Any) -> chat_pb2.ConverseRequest:
    return chat_pb2.ConverseRequest(open=chat_pb2.OpenConversation(**fields))


def saying(text: str, **fields: Any) -> chat_pb2.ConverseRequest:
    return chat_pb2.ConverseRequest(message=user_message(text, **fields))


CLOSE = chat_pb2.ConverseRequest(close=chat_pb2.CloseConversationStream())


async def converse(client: Client, *steps: chat_pb2.ConverseRequest) -> list[event_pb2.ConversationEvent]:
    call = client.chat.Converse(requests_of(*steps), metadata=client.metadata, timeout=10)
    return [response.event async for response in call]


async def test_converse_answers_many_turns_and_ends_after_close(ana: Client) -> None:
    events = await converse(ana, opening(session_id="s"), saying("one"), saying("two"), CLOSE)

    assert kinds(events)[0] == "connection_status"
    assert [event.sequence for event in events if event.sequence] == list(range(1, 7))
    assert kinds(events).count("message_completed") == 2


async def test_close_ends_the_stream_though_the_client_keeps_its_side_open(ana: Client) -> None:
    call = ana.chat.Converse(metadata=ana.metadata, timeout=10)
    for request in (opening(), saying("one"), CLOSE):
        await call.write(request)
    events = [response.event async for response in call]

    assert kinds(events)[-1] == "message_completed"
    assert await call.code() is grpc.StatusCode.OK


async def test_converse_without_close_still_gives_the_answers(ana: Client) -> None:
    events = await converse(ana, opening(), saying("one"))

    assert kinds(events)[-1] == "message_completed"


async def test_converse_answers_a_ping_with_the_latency(ana: Client) -> None:
    ping = chat_pb2.ConverseRequest(ping=chat_pb2.Ping())
    ping.ping.client_time.GetCurrentTime()
    events = await converse(ana, opening(), ping, CLOSE)

    assert kinds(events) == ["connection_status", "connection_status"]
    assert 0 <= events[1].connection_status.latency.ToTimedelta().total_seconds() < 5


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((saying("Hi"),), "STREAM_NOT_OPEN"),
        ((opening(), opening()), "STREAM_ALREADY_OPEN"),
        ((opening(), CLOSE, saying("Hi")), "STREAM_CLOSED"),
        ((opening(), saying("a", request_id="same"), saying("b", request_id="same")), "REQUEST_ID_REUSED"),
    ],
)
async def test_converse_out_of_order(ana: Client, steps: tuple[Any, ...], reason: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await converse(ana, *steps)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error_info(refused.value).reason == reason


async def test_a_client_that_leaves_does_not_end_the_turn(
    server: Server, ana: Client, provider: ScriptedProvider
) -> None:
    provider.gate = asyncio.Event()
    call = ana.chat.SendMessage(
        chat_pb2.SendMessageRequest(message=user_message("Hi"), session_id="s"), metadata=ana.metadata
    )
    async for response in call:
        if response.event.WhichOneof("event") == "text_delta":
            call.cancel()
            break
    conversation_id = response.event.conversation_id
    asking = asyncio.create_task(send(ana, "Still there?", session_id="s"))
    while len(await texts(ana, conversation_id)) < 2:
        await asyncio.sleep(0.01)
    provider.gate.set()
    await asking

    assert await texts(ana, conversation_id) == ["Hi", "Still there?", "Hello there.", "Hello there."]
    assert [message.content for message in provider.requests[1].messages] == ["Hi", "Hello there.", "Still there?"]


async def committed(client: Client, session_id: str, count: int) -> None:
    """Wait until the conversation of a session holds `count` messages."""
    request = conversation_pb2.GetOrCreateConversationRequest(session_id=session_id)
    async with asyncio.timeout(10):
        while True:
            found = await client.conversations.GetOrCreateConversation(request, metadata=client.metadata)
            if found.conversation.message_count >= count:
                return
            await asyncio.sleep(0.01)


async def texts(client: Client, conversation_id: str) -> list[str]:
    request = conversation_pb2.ListMessagesRequest(conversation_id=conversation_id)
    page = await client.conversations.ListMessages(request, metadata=client.metadata)
    return [message.text for message in page.messages]


async def test_typing_is_shown_to_others_only(ana: Client) -> None:
    conversation = (
        await ana.conversations.CreateConversation(conversation_pb2.CreateConversationRequest(), metadata=ana.metadata)
    ).conversation
    watching = ana.chat.WatchConversation(
        chat_pb2.WatchConversationRequest(conversation_id=conversation.id), metadata=ana.metadata, timeout=10
    )
    assert (await watching.read()).event.WhichOneof("event") == "connection_status"
    typing = chat_pb2.ConverseRequest(typing=chat_pb2.TypingNotice(is_typing=True))
    own = await converse(ana, opening(conversation_id=conversation.id), typing, CLOSE)

    assert "typing" not in kinds(own)
    event = (await watching.read()).event
    assert event.typing.is_typing
    assert event.typing.role == common_pb2.MESSAGE_ROLE_USER
    watching.cancel()


async def test_a_quiet_stream_gets_heartbeats(ana: Client) -> None:
    events = await send(ana, "Hi")
    request = chat_pb2.WatchConversationRequest(conversation_id=events[0].conversation_id)
    async for response in ana.chat.WatchConversation(request, metadata=ana.metadata, timeout=10):
        if response.event.WhichOneof("event") == "heartbeat":
            return
    pytest.fail("no heartbeat came")


async def test_draining_tells_streams_where_to_resume(server: Server, ana: Client) -> None:
    events = await send(ana, "Hi")
    request = chat_pb2.WatchConversationRequest(conversation_id=events[0].conversation_id, after_sequence=0)
    seen = []
    async for response in ana.chat.WatchConversation(request, metadata=ana.metadata, timeout=10):
        seen.append(response.event)
        if response.event.sequence == 3:
            server.app.hub.drain()

    assert kinds(seen)[-1] == "go_away"
    assert seen[-1].go_away.after_sequence == 3
