"""Feedback on answers and satisfaction with conversations: who gives it, what is kept, who sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from deskwire.compat.v1 import portal_pb2, portal_pb2_grpc
from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2, event_pb2, feedback_pb2, feedback_pb2_grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2

from tests.rpc.refusals import read_refusal
from tests.support.server import Client, Server

POSITIVE, NEGATIVE = common_pb2.FEEDBACK_SENTIMENT_POSITIVE, common_pb2.FEEDBACK_SENTIMENT_NEGATIVE
PORTAL_FEEDBACK = """{
  "conversationId": "conv_abc123",
  "messageId": "msg_xyz789",
  "feedback": "positive",
  "comment": "Very helpful and accurate response",
  "rating": 5,
  "categories": ["accuracy", "helpfulness", "speed"],
  "timestamp": "2024-01-15T10:35:00Z"
}"""


def stub(client: Client) -> feedback_pb2_grpc.FeedbackServiceAsyncStub:
    return feedback_pb2_grpc.FeedbackServiceStub(client.channel)


def portal(client: Client) -> portal_pb2_grpc.PortalAssistantServiceAsyncStub:
    return portal_pb2_grpc.PortalAssistantServiceStub(client.channel)


async def answered(client: Client, text: str = "Hi", **target: Any) -> chat_pb2.ChatResponse:
    request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=text), **target)
    return await client.chat.Chat(request, metadata=client.metadata)


def request_for(answer: common_pb2.Message, **fields: Any) -> feedback_pb2.SubmitFeedbackRequest:
    values = {"conversation_id": answer.conversation_id, "message_id": answer.id, "sentiment": POSITIVE, **fields}
    return feedback_pb2.SubmitFeedbackRequest(**values)


async def submit(client: Client, answer: common_pb2.Message, **fields: Any) -> common_pb2.Feedback:
    response = await stub(client).SubmitFeedback(request_for(answer, **fields), metadata=client.metadata)
    return response.feedback


async def listed(client: Client, **fields: Any) -> feedback_pb2.ListFeedbackResponse:
    return await stub(client).ListFeedback(feedback_pb2.ListFeedbackRequest(**fields), metadata=client.metadata)


async def summary(client: Client, **fields: Any) -> feedback_pb2.SummarizeFeedbackResponse:
    request = feedback_pb2.SummarizeFeedbackRequest(**fields)
    return await stub(client).SummarizeFeedback(request, metadata=client.metadata)


async def rate(client: Client, conversation_id: str, rating: int, **fields: Any) -> conversation_pb2.Conversation:
    request = feedback_pb2.RateConversationRequest(conversation_id=conversation_id, rating=rating, **fields)
    return (await stub(client).RateConversation(request, metadata=client.metadata)).conversation


async def next_event(watching: Any) -> event_pb2.ConversationEvent:
    event: event_pb2.ConversationEvent = (await watching.read()).event
    return event


async def refused(call: Awaitable[Any]) -> tuple[str, str, list[str]]:
    """Code, reason, and the fields that are told of."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    refusal = read_refusal(error.value)
    return refusal.code.name, refusal.reason, refusal.fields


async def messages_of(client: Client, conversation_id: str, **fields: Any) -> list[common_pb2.Message]:
    request = conversation_pb2.ListMessagesRequest(conversation_id=conversation_id, **fields)
    return list((await client.conversations.ListMessages(request, metadata=client.metadata)).messages)


# One answer.


async def test_feedback_is_kept_and_stands_beside_its_answer(ana: Client) -> None:
    answer = (await answered(ana)).message
    given = await submit(
        ana, answer, sentiment=NEGATIVE, rating=2, comment="Zu kurz – 😕", categories=[" tone", "length", "tone ", "  "]
    )

    assert (given.conversation_id, given.message_id, given.user_id) == (answer.conversation_id, answer.id, "ana")
    assert (given.sentiment, given.rating, given.comment) == (NEGATIVE, 2, "Zu kurz – 😕")
    assert list(given.categories) == ["tone", "length"]
    assert given.create_time == given.update_time
    request = feedback_pb2.GetFeedbackRequest(feedback_id=given.id)
    assert (await stub(ana).GetFeedback(request, metadata=ana.metadata)).feedback == given
    question, kept = await messages_of(ana, answer.conversation_id)
    assert not question.HasField("feedback")
    assert kept.feedback == given
    newest = await messages_of(ana, answer.conversation_id, page_size=1, newest_first=True)
    assert newest[0].feedback == given


async def test_sent_again_it_takes_the_place_of_the_first(ana: Client, admin: Client) -> None:
    answer = (await answered(ana)).message
    first = await submit(ana, answer, rating=5, comment="Great", categories=["speed"])
    second = await submit(ana, answer, sentiment=NEGATIVE)

    assert second.id == first.id
    assert (second.sentiment, second.HasField("rating"), second.comment, list(second.categories)) == (
        NEGATIVE, False, "", []
    )  # fmt: skip
    assert second.create_time == first.create_time
    assert second.update_time.ToDatetime() > first.update_time.ToDatetime()
    assert list((await listed(ana)).feedback) == [second]


async def test_many_at_once_are_one(ana: Client) -> None:
    answer = (await answered(ana)).message
    given = await asyncio.gather(*(submit(ana, answer, rating=number % 5 + 1) for number in range(10)))
    assert len({each.id for each in given}) == 1
    assert len((await listed(ana)).feedback) == 1


async def test_a_repeat_gets_the_first_result_and_undoes_nothing(ana: Client) -> None:
    answer = (await answered(ana)).message
    first = await submit(ana, answer, rating=5, request_id="r-1")
    changed = await submit(ana, answer, sentiment=NEGATIVE, request_id="r-2")
    assert await submit(ana, answer, rating=5, request_id="r-1") == changed
    assert changed.id == first.id
    code, reason, _ = await refused(submit(ana, answer, rating=4, request_id="r-1"))
    assert (code, reason) == ("FAILED_PRECONDITION", "REQUEST_ID_REUSED")


async def test_only_answers_get_feedback(ana: Client) -> None:
    asked = (await answered(ana)).user_message
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await submit(ana, asked)
    refusal = read_refusal(error.value)
    assert (refusal.code.name, refusal.reason) == ("FAILED_PRECONDITION", "STATE_CONFLICT")
    info = refusal.detail(error_details_pb2.ErrorInfo)
    assert info is not None
    assert dict(info.metadata) == {"role": "user"}


async def test_what_is_not_there_or_of_others_is_missing(server: Server, ana: Client, tenant: str) -> None:
    mine, other = (await answered(ana)).message, (await answered(ana)).message
    bob = server.client(tenant=tenant, user="bob")
    given = await submit(ana, mine)
    getting = feedback_pb2.GetFeedbackRequest(feedback_id=given.id)
    for call in (
        submit(ana, mine, message_id=str(uuid4())),
        submit(ana, mine, message_id=other.id),
        submit(ana, mine, conversation_id=str(uuid4())),
        submit(bob, mine),
        rate(bob, mine.conversation_id, 1),
        stub(bob).GetFeedback(getting, metadata=bob.metadata),
    ):
        assert (await refused(call))[:2] == ("NOT_FOUND", "RESOURCE_NOT_FOUND")
    assert not (await listed(bob)).feedback
    assert not (await listed(bob, conversation_id=mine.conversation_id)).feedback


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"conversation_id": "x"}, "conversation_id"),
        ({"message_id": ""}, "message_id"),
        ({"sentiment": common_pb2.FEEDBACK_SENTIMENT_UNSPECIFIED}, "sentiment"),
        ({"sentiment": 7}, "sentiment"),
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"comment": "x" * 4001}, "comment"),
        ({"comment": "a\0b"}, "comment"),
        ({"categories": ["x"] * 21}, "categories"),
        ({"categories": [""]}, "categories[0]"),
        ({"categories": ["a\0b"]}, "categories[0]"),
        ({"categories": ["x" * 65]}, "categories[0]"),
        ({"request_id": "x" * 129}, "request_id"),
    ],
)
async def test_limits(ana: Client, fields: dict[str, Any], field: str) -> None:
    sound = common_pb2.Message(id=str(uuid4()), conversation_id=str(uuid4()))
    assert await refused(submit(ana, sound, **fields)) == ("INVALID_ARGUMENT", "INVALID_FIELD", [field])


async def test_the_longest_of_everything_fits(ana: Client) -> None:
    answer = (await answered(ana)).message
    categories = [f"{number:02}" + "ü" * 62 for number in range(20)]
    given = await submit(ana, answer, comment="😀" * 4000, categories=categories)
    assert given.comment == "😀" * 4000
    assert list(given.categories) == categories


# Many.


async def test_lists_are_filtered_and_paged(server: Server, ana: Client, admin: Client, tenant: str) -> None:
    bob = server.client(tenant=tenant, user="bob")
    given = []
    for client, sentiment in ((ana, POSITIVE), (bob, NEGATIVE), (ana, NEGATIVE), (ana, POSITIVE), (bob, POSITIVE)):
        given.append(await submit(client, (await answered(client)).message, sentiment=sentiment))
    newest_first = list(reversed(given))

    assert list((await listed(admin)).feedback) == newest_first
    mine = [each for each in newest_first if each.user_id == "ana"]
    assert list((await listed(ana)).feedback) == list((await listed(ana, user_id="ana")).feedback) == mine
    assert list((await listed(admin, user_id="ana")).feedback) == mine
    assert (await refused(listed(ana, user_id="bob")))[:2] == ("PERMISSION_DENIED", "ROLE_TOO_LOW")
    bad = [each for each in newest_first if each.sentiment == NEGATIVE]
    assert list((await listed(admin, sentiment=NEGATIVE)).feedback) == bad
    only = await listed(admin, conversation_id=given[1].conversation_id)
    assert list(only.feedback) == [given[1]]
    span = common_pb2.TimeRange(start_time=given[1].create_time, end_time=given[3].create_time)
    assert list((await listed(admin, create_time=span)).feedback) == [given[2], given[1]]

    seen: list[common_pb2.Feedback] = []
    token = ""
    while True:
        page = await listed(admin, page_size=2, page_token=token)
        seen += page.feedback
        token = page.next_page_token
        if not token:
            break
        assert len(page.feedback) == 2
        # A change in between moves nothing to another page.
        await submit(bob, common_pb2.Message(id=given[1].message_id, conversation_id=given[1].conversation_id))
    assert [each.id for each in seen] == [each.id for each in newest_first]
    token = (await listed(admin, page_size=2)).next_page_token
    for other in ({"sentiment": NEGATIVE}, {"user_id": "ana"}, {"create_time": span}):
        code, reason, fields = await refused(listed(admin, page_size=2, page_token=token, **other))
        assert (code, reason, fields) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", ["page_token"])


async def test_a_summary_counts_by_category_and_span(ana: Client, admin: Client) -> None:
    empty = await summary(admin)
    assert empty == feedback_pb2.SummarizeFeedbackResponse(figures=feedback_pb2.FeedbackFigures())
    assert not empty.figures.HasField("mean_rating")
    first = await answered(ana)
    given = await submit(ana, first.message, rating=5, categories=["speed", "tone"])
    await submit(ana, (await answered(ana)).message, rating=2, sentiment=NEGATIVE, categories=["tone"])
    await submit(ana, (await answered(ana)).message, categories=["accuracy"])
    await rate(ana, first.conversation_id, 4)
    await rate(ana, (await answered(ana)).conversation_id, 1)

    told = await summary(admin)
    assert (told.figures.count, told.figures.positive_count, told.figures.negative_count) == (3, 2, 1)
    assert told.figures.positive_share == pytest.approx(2 / 3)
    assert (told.figures.rating_count, told.figures.mean_rating) == (2, 3.5)
    assert [
        (each.category, each.figures.count, each.figures.positive_count, each.figures.mean_rating)
        for each in told.categories
    ] == [("tone", 2, 1, 3.5), ("accuracy", 1, 1, 0), ("speed", 1, 1, 5)]
    assert not told.categories[1].figures.HasField("mean_rating")
    assert (told.satisfaction_count, told.mean_satisfaction) == (2, 2.5)

    later = common_pb2.TimeRange()
    later.start_time.FromDatetime(given.create_time.ToDatetime() + timedelta(microseconds=1))
    assert (await summary(admin, time_range=later)).figures.count == 2
    earlier = common_pb2.TimeRange(end_time=given.create_time)
    assert (await summary(admin, time_range=earlier)) == empty
    tomorrow = common_pb2.TimeRange()
    tomorrow.start_time.FromDatetime(datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1))
    assert (await summary(admin, time_range=tomorrow)) == empty
    assert (await refused(summary(ana)))[:2] == ("PERMISSION_DENIED", "ROLE_TOO_LOW")


async def test_agents_see_all_and_give_their_own(server: Server, ana: Client, tenant: str) -> None:
    agent = server.client(tenant=tenant, user="greta", role="agent")
    answer = (await answered(ana)).message
    theirs, own = await submit(ana, answer), await submit(agent, answer, sentiment=NEGATIVE)

    assert theirs.id != own.id
    assert list((await listed(agent)).feedback) == [own, theirs]
    assert list((await listed(ana)).feedback) == [theirs]
    # History shows what the conversation's user thinks, whoever reads it.
    for client in (ana, agent):
        assert (await messages_of(client, answer.conversation_id))[1].feedback == theirs


# Satisfaction.


async def test_a_conversation_is_rated_and_rated_anew(ana: Client, admin: Client) -> None:
    conversation_id = (await answered(ana)).conversation_id
    getting = conversation_pb2.GetConversationRequest(conversation_id=conversation_id)
    before = (await ana.conversations.GetConversation(getting, metadata=ana.metadata)).conversation
    assert not before.HasField("satisfaction_rating")
    watching = ana.chat.WatchConversation(
        chat_pb2.WatchConversationRequest(conversation_id=conversation_id), metadata=ana.metadata, timeout=10
    )
    assert (await next_event(watching)).WhichOneof("event") == "connection_status"

    rated = await rate(ana, conversation_id, 2, request_id="r-1")
    assert (rated.satisfaction_rating, rated.last_sequence) == (2, before.last_sequence + 1)
    assert rated.etag != before.etag
    event = await next_event(watching)
    assert event.conversation_changed.conversation == rated
    watching.cancel()
    assert await rate(ana, conversation_id, 2) == rated
    ending = conversation_pb2.EndConversationRequest(conversation_id=conversation_id)
    await ana.conversations.EndConversation(ending, metadata=ana.metadata)
    anew = await rate(ana, conversation_id, 5)
    assert anew.satisfaction_rating == 5
    assert await rate(ana, conversation_id, 2, request_id="r-1") == anew
    code, reason, _ = await refused(rate(ana, conversation_id, 3, request_id="r-1"))
    assert (code, reason) == ("FAILED_PRECONDITION", "REQUEST_ID_REUSED")
    found = await admin.conversations.ListConversations(
        conversation_pb2.ListConversationsRequest(), metadata=admin.metadata
    )
    assert [each.satisfaction_rating for each in found.conversations] == [5]


async def test_a_conversation_is_rated_by_its_user_or_a_service(server: Server, ana: Client, tenant: str) -> None:
    conversation_id = (await answered(ana)).conversation_id
    for role in ("agent", "admin"):
        client = server.client(tenant=tenant, user="greta", role=role)
        assert (await refused(rate(client, conversation_id, 5)))[:2] == ("PERMISSION_DENIED", "ROLE_TOO_LOW")
        own = (await answered(client)).conversation_id
        assert (await rate(client, own, 3)).satisfaction_rating == 3
    service = server.client(tenant=tenant, user="survey", role="service")
    assert (await rate(service, conversation_id, 4)).satisfaction_rating == 4
    for rating in (0, 6, -1):
        assert await refused(rate(ana, conversation_id, rating)) == ("INVALID_ARGUMENT", "INVALID_FIELD", ["rating"])


# The older path.


def portal_request(**changes: Any) -> portal_pb2.RecordFeedbackRequest:
    request = json_format.Parse(PORTAL_FEEDBACK, portal_pb2.RecordFeedbackRequest())
    for name, value in changes.items():
        setattr(request, name, value)
    return request


async def test_the_portal_records_feedback(ana: Client) -> None:
    chat = portal_pb2.PortalAssistantServiceChatRequest(message="Hi", conversation_id="conv_abc123")
    answer = await portal(ana).Chat(chat, metadata=ana.metadata)
    request = portal_request(message_id=answer.message_id)
    recorded = await portal(ana).RecordFeedback(request, metadata=ana.metadata)

    told = json_format.MessageToDict(recorded)
    assert told == {
        "status": "recorded",
        "feedbackId": told["feedbackId"],
        "message": "Thank you for your feedback! It helps us improve our AI assistant.",
    }
    [kept] = (await listed(ana)).feedback
    assert kept.id == recorded.feedback_id
    assert (kept.sentiment, kept.rating, kept.comment) == (POSITIVE, 5, "Very helpful and accurate response")
    assert list(kept.categories) == ["accuracy", "helpfulness", "speed"]

    again = portal_request(message_id=answer.message_id, conversation_id=kept.conversation_id, feedback="negative")
    again.ClearField("rating")
    assert (await portal(ana).RecordFeedback(again, metadata=ana.metadata)).feedback_id == kept.id
    [changed] = (await listed(ana)).feedback
    assert (changed.sentiment, changed.HasField("rating")) == (NEGATIVE, False)


async def test_what_the_portal_gets_refused(ana: Client) -> None:
    missing: tuple[str, str, list[str]] = ("NOT_FOUND", "RESOURCE_NOT_FOUND", [])
    assert await refused(portal(ana).RecordFeedback(portal_request(), metadata=ana.metadata)) == missing
    chat = portal_pb2.PortalAssistantServiceChatRequest(message="Hi", conversation_id="conv_abc123")
    answer = await portal(ana).Chat(chat, metadata=ana.metadata)
    for changes, expected in (
        ({}, missing),
        ({"message_id": str(uuid4())}, missing),
        ({"conversation_id": "other", "message_id": answer.message_id}, missing),
        ({"conversation_id": "", "message_id": answer.message_id},
         ("INVALID_ARGUMENT", "INVALID_FIELD", ["conversationId"])),
        ({"feedback": "great"}, ("INVALID_ARGUMENT", "INVALID_FIELD", ["feedback"])),
        ({"message_id": answer.message_id, "rating": 6}, ("INVALID_ARGUMENT", "INVALID_FIELD", ["rating"])),
    ):  # fmt: skip
        call = portal(ana).RecordFeedback(portal_request(**changes), metadata=ana.metadata)
        assert await refused(call) == expected, changes
