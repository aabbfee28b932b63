"""What a user asked and was answered, over all of their conversations."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from deskwire.v1 import chat_pb2, common_pb2, feedback_pb2, feedback_pb2_grpc
from deskwire.v1 import conversation_pb2 as pb
from google.protobuf import timestamp_pb2

from tests.rpc.refusals import Refusal, read_refusal
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server


async def ask(client: Client, text: str, session: str = "s", **fields: Any) -> chat_pb2.ChatResponse:
    request = chat_pb2.ChatRequest(session_id=session, message=chat_pb2.UserMessage(text=text, **fields))
    return await client.chat.Chat(request, metadata=client.metadata, timeout=15)


async def history(client: Client, **fields: Any) -> pb.ListHistoryResponse:
    return await client.conversations.ListHistory(pb.ListHistoryRequest(**fields), metadata=client.metadata)


async def questions(client: Client, **fields: Any) -> list[str]:
    return [entry.question.text for entry in (await history(client, **fields)).entries]


async def refused(client: Client, **fields: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await history(client, **fields)
    return read_refusal(error.value)


async def test_exchanges_come_latest_first_with_their_rating(ana: Client) -> None:
    first = await ask(ana, "one")
    second = await ask(ana, "two", session="t")
    feedback = feedback_pb2_grpc.FeedbackServiceStub(ana.channel)
    await feedback.SubmitFeedback(
        feedback_pb2.SubmitFeedbackRequest(
            conversation_id=first.conversation_id, message_id=first.message.id, rating=4,
            sentiment=common_pb2.FEEDBACK_SENTIMENT_POSITIVE,
        ),
        metadata=ana.metadata,
    )  # fmt: skip
    newest, oldest = (await history(ana)).entries
    assert (newest.conversation_id, oldest.conversation_id) == (second.conversation_id, first.conversation_id)
    assert (newest.question, newest.answer) == (second.user_message, second.message)
    assert not newest.answer.HasField("feedback")
    assert oldest.question == first.user_message
    assert (oldest.answer.id, oldest.answer.feedback.rating) == (first.message.id, 4)
    assert not oldest.question.HasField("feedback")


async def test_an_answer_made_anew_is_an_exchange_of_its_own(ana: Client) -> None:
    first = await ask(ana, "one")
    request = chat_pb2.RegenerateAnswerRequest(conversation_id=first.conversation_id, message_id=first.message.id)
    async for response in ana.chat.RegenerateAnswer(request, metadata=ana.metadata, timeout=15):
        last = response.event
    entries = (await history(ana)).entries
    assert [entry.question.id for entry in entries] == [first.user_message.id] * 2
    assert [entry.answer.id for entry in entries] == [last.message_completed.message.id, first.message.id]


async def test_a_question_without_an_answer_has_none(ana: Client, provider: ScriptedProvider) -> None:
    provider.gate, provider.gate_after = asyncio.Event(), 0
    asking = asyncio.create_task(ask(ana, "one"))
    while not provider.requests:
        await asyncio.sleep(0.01)
    (entry,) = (await history(ana)).entries
    provider.gate.set()
    await asking
    assert entry.question.text == "one"
    assert not entry.HasField("answer")
    assert (await history(ana)).entries[0].answer.text == "Hello there."


async def test_pages_and_spans(ana: Client) -> None:
    asked = [await ask(ana, f"{number}", session=f"{number % 2}") for number in range(5)]
    found: list[str] = []
    token, pages = "", 0
    while True:
        page = await history(ana, page_size=2, page_token=token)
        found += [entry.question.text for entry in page.entries]
        pages, token = pages + 1, page.next_page_token
        if not token:
            break
    assert (found, pages) == (["4", "3", "2", "1", "0"], 3)
    since = common_pb2.TimeRange(
        start_time=asked[1].user_message.create_time, end_time=asked[3].user_message.create_time
    )
    assert await questions(ana, time=since) == ["2", "1"]
    some = await history(ana, page_size=2)
    forged = await refused(ana, page_token=some.next_page_token, time=since)
    assert forged.reason == "PAGE_TOKEN_INVALID", "a token belongs to one list"
    empty = common_pb2.TimeRange(end_time=timestamp_pb2.Timestamp(seconds=1))
    assert await questions(ana, time=empty) == []


async def test_users_see_their_own_and_others_anybodys(ana: Client, server: Server, tenant: str) -> None:
    await ask(ana, "mine")
    ben = server.client(tenant=tenant, user="ben")
    await ask(ben, "theirs")
    assert await questions(ana) == await questions(ana, user_id="ana") == ["mine"]
    denied = await refused(ana, user_id="ben")
    assert (denied.code, denied.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW")
    for role in ("agent", "admin", "service"):
        other = server.client(tenant=tenant, user=f"the-{role}", role=role)
        assert await questions(other, user_id="ben") == ["theirs"]
        assert await questions(other) == []
    stranger = server.client(tenant=f"{tenant}-2", user="ana", role="admin")
    assert await questions(stranger, user_id="ben") == await questions(stranger) == []
