"""What is refused because of the state of a stream, a quota, a resource or the server itself."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest
from deskwire.compat.v1 import portal_pb2, site_pb2, support_pb2
from deskwire.v1 import chat_pb2, conversation_pb2, knowledge_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from deskwire_server.conversations.service import ConversationService
from tests.rpc.contract import call, call_as, find
from tests.rpc.requests import (
    CHAT,
    CONVERSE,
    CREATE,
    KNOWLEDGE,
    NEVER,
    PORTAL,
    SITE,
    SUPPORT,
    TALKS,
    WATCH,
    asking,
    message,
    unknown,
)
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, make_settings, running_server

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

# The order of a stream, and request ids.

OPEN = chat_pb2.ConverseRequest(open=chat_pb2.OpenConversation())
CLOSE = chat_pb2.ConverseRequest(close=chat_pb2.CloseConversationStream())


def saying(text: str = "Hi", **fields: Any) -> chat_pb2.ConverseRequest:
    return chat_pb2.ConverseRequest(message=message(text, **fields))


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        pytest.param([saying()], "STREAM_NOT_OPEN", id="40 a message before open"),
        pytest.param([CLOSE], "STREAM_NOT_OPEN", id="40 close before open"),
        pytest.param([OPEN, OPEN], "STREAM_ALREADY_OPEN", id="41 a second open"),
        pytest.param([OPEN, CLOSE, saying()], "STREAM_CLOSED", id="42 after close"),
        pytest.param([OPEN, saying("a", request_id="r"), saying("b", request_id="r")], "REQUEST_ID_REUSED", id="43"),
    ],
)
async def test_the_order_of_a_stream(ana: Client, steps: list[chat_pb2.ConverseRequest], reason: str) -> None:
    refusal = (await call_as(ana, find(CONVERSE), *steps)).refusal

    assert refusal is not None
    assert (refusal.code, refusal.reason) == (PRECONDITION, reason)
    refusal.assert_nothing_internal()


_ARTICLE = knowledge_pb2.Article(title="Refunds", content="Within 30 days.")
REUSED: list[tuple[str, Message, Message]] = [
    (CHAT, asking(message=message("a", request_id="r")),
     asking(message=message("b", request_id="r"))),
    (TALKS + "CreateConversation", conversation_pb2.CreateConversationRequest(request_id="r"),
     conversation_pb2.CreateConversationRequest(
         request_id="r", conversation=conversation_pb2.Conversation(title="other"))),
    (KNOWLEDGE + "CreateArticle", knowledge_pb2.CreateArticleRequest(request_id="r", article=_ARTICLE),
     knowledge_pb2.CreateArticleRequest(
         request_id="r", article=knowledge_pb2.Article(title="Other", content="Text."))),
    (PORTAL + "Chat", portal_pb2.PortalAssistantServiceChatRequest(message="a", request_id="r"),
     portal_pb2.PortalAssistantServiceChatRequest(message="b", request_id="r")),
    (SUPPORT + "Chat", support_pb2.SupportAssistantServiceChatRequest(message="a", request_id="r"),
     support_pb2.SupportAssistantServiceChatRequest(message="b", request_id="r")),
    (SITE + "StreamChat", site_pb2.StreamChatRequest(message="a", request_id="r"),
     site_pb2.StreamChatRequest(message="b", request_id="r")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "first", "second"), REUSED, ids=[path for path, _, _ in REUSED])
async def test_43_a_request_id_with_another_body(admin: Client, path: str, first: Message, second: Message) -> None:
    assert (await call_as(admin, find(path), first)).code is grpc.StatusCode.OK
    assert (await call_as(admin, find(path), first)).code is grpc.StatusCode.OK
    refusal = (await call_as(admin, find(path), second)).refusal

    assert refusal is not None
    assert (refusal.code, refusal.reason) == (PRECONDITION, "REQUEST_ID_REUSED")


async def test_50_a_request_id_that_still_runs_joins_the_turn(ana: Client, provider: ScriptedProvider) -> None:
    provider.gate = asyncio.Event()
    request = asking(message=message(request_id="r"))
    both = asyncio.gather(*(call_as(ana, find(CHAT), request) for _ in range(2)))
    while not provider.requests:
        await asyncio.sleep(0.005)
    provider.gate.set()
    first, second = await both

    assert first.responses[0].message.id == second.responses[0].message.id
    assert len(provider.requests) == 1


async def test_51_a_cursor_ahead(ana: Client) -> None:
    conversation_id = await _asked(ana)
    cursor: dict[str, Any] = {"conversation_id": conversation_id, "after_sequence": 2**62}
    for path, requests in (
        (WATCH, [chat_pb2.WatchConversationRequest(**cursor)]),
        (CONVERSE, [chat_pb2.ConverseRequest(open=chat_pb2.OpenConversation(**cursor))]),
    ):
        refusal = (await call_as(ana, find(path), *requests)).refusal
        assert refusal is not None
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_AHEAD")
        info = refusal.detail(error_details_pb2.ErrorInfo)
        assert info is not None
        assert info.metadata["last_sequence"] == "3"


async def test_52_a_cursor_older_than_what_is_kept(ana: Client, postgres: TestPostgres) -> None:
    conversation_id = await _asked(ana)
    superuser = await asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + "/deskwire")
    await superuser.execute("UPDATE conversations SET earliest_sequence = 3 WHERE id = $1", conversation_id)
    await superuser.close()
    request = chat_pb2.WatchConversationRequest(conversation_id=conversation_id, after_sequence=1)
    refusal = (await call_as(ana, find(WATCH), request)).refusal

    assert refusal is not None
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CURSOR_EXPIRED")
    info = refusal.detail(error_details_pb2.ErrorInfo)
    assert info is not None
    assert info.metadata["earliest_sequence"] == "3"


async def _asked(client: Client) -> str:
    outcome = await call_as(client, find(CHAT), asking())
    return str(outcome.responses[0].conversation_id)


# Limits.


async def test_53_calls_a_minute(postgres: TestPostgres, tenant: str) -> None:
    async with running_server(make_settings(postgres, api_rate_limit=3)) as server:
        ana, ben = server.client(tenant=tenant), server.client(tenant=tenant, user="ben")
        request = conversation_pb2.ListConversationsRequest()
        rpc = find(TALKS + "ListConversations")
        outcomes = [await call_as(ana, rpc, request) for _ in range(4)]
        assert [outcome.refusal is None for outcome in outcomes] == [True, True, True, False]
        assert (await call_as(ben, rpc, request)).refusal is None
    refusal = outcomes[-1].refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    quota = refusal.detail(error_details_pb2.QuotaFailure)
    assert quota is not None
    assert quota.violations[0].subject == "user:calls_per_minute"
    assert refusal.retry_seconds is not None
    assert 0 < refusal.retry_seconds <= 61


async def test_54_open_streams_of_a_user(postgres: TestPostgres, tenant: str) -> None:
    async with running_server(make_settings(postgres, max_streams_per_user=1, heartbeat_interval=0.2)) as server:
        ana = server.client(tenant=tenant)
        conversation_id = await _asked(ana)
        request = chat_pb2.WatchConversationRequest(conversation_id=conversation_id)
        first = ana.chat.WatchConversation(request, metadata=ana.metadata, timeout=10)
        await first.read()
        rpc = find(WATCH)
        refusal = (await call_as(ana, rpc, request)).refusal
        assert refusal is not None
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
        assert refusal.detail(error_details_pb2.QuotaFailure) is not None
        assert refusal.retry_seconds
        first.cancel()
        async with asyncio.timeout(5):
            while (await call_as(ana, rpc, request)).refusal is not None:
                await asyncio.sleep(0.01)


async def test_56_an_end_without_close_finalises_nothing(ana: Client, provider: ScriptedProvider) -> None:
    provider.gate = asyncio.Event()
    running = asyncio.create_task(call_as(ana, find(CONVERSE), OPEN, saying("Hi", request_id="r")))
    while not provider.requests:
        await asyncio.sleep(0.005)
    provider.gate.set()
    outcome = await running
    conversation_id = outcome.responses[-1].event.conversation_id
    found = await call_as(
        ana, find(TALKS + "GetConversation"), conversation_pb2.GetConversationRequest(conversation_id=conversation_id)
    )

    assert outcome.responses[-1].event.message_completed.message.text == "Hello there."
    assert found.responses[0].conversation.status == conversation_pb2.CONVERSATION_STATUS_ACTIVE


# Resources, lists and documents.


async def test_61_a_stale_etag(admin: Client) -> None:
    made = await call_as(admin, find(CREATE), conversation_pb2.CreateConversationRequest())
    conversation = made.responses[0].conversation
    article = (
        (await call_as(admin, find(KNOWLEDGE + "CreateArticle"), knowledge_pb2.CreateArticleRequest(article=_ARTICLE)))
        .responses[0]
        .article
    )
    stale: list[tuple[str, Message]] = [
        (TALKS + "UpdateConversation", conversation_pb2.UpdateConversationRequest(
            conversation=conversation_pb2.Conversation(id=conversation.id, title="x", etag="0"))),
        (KNOWLEDGE + "UpdateArticle", knowledge_pb2.UpdateArticleRequest(
            article=knowledge_pb2.Article(id=article.id, title="x", etag="0"))),
        (KNOWLEDGE + "DeleteArticle", knowledge_pb2.DeleteArticleRequest(article_id=article.id, etag="0")),
    ]  # fmt: skip
    for path, request in stale:
        refusal = (await call_as(admin, find(path), request)).refusal
        assert refusal is not None, path
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        refusal.assert_nothing_internal()


async def test_a_conversation_that_has_ended_takes_no_message(ana: Client) -> None:
    conversation_id = await _asked(ana)
    await call_as(ana, find(TALKS + "EndConversation"),
                  conversation_pb2.EndConversationRequest(conversation_id=conversation_id))  # fmt: skip
    refusal = (await call_as(ana, find(CHAT), asking(conversation_id=conversation_id))).refusal

    assert refusal is not None
    assert (refusal.code, refusal.reason) == (PRECONDITION, "CONVERSATION_CLOSED")


@pytest.mark.parametrize("token", ["x", "AAAA", "é", "A" * 2048, "=" * 8, "eyJhIjoxfQ"])
async def test_66_a_forged_page_token(admin: Client, token: str) -> None:
    conversation_id = await _asked(admin)
    for path, request in (
        (TALKS + "ListConversations", conversation_pb2.ListConversationsRequest(page_token=token)),
        (
            TALKS + "ListMessages",
            conversation_pb2.ListMessagesRequest(conversation_id=conversation_id, page_token=token),
        ),
        (KNOWLEDGE + "ListArticles", knowledge_pb2.ListArticlesRequest(page_token=token)),
    ):
        refusal = (await call_as(admin, find(path), request)).refusal
        assert refusal is not None, path
        assert (refusal.code, refusal.reason, refusal.fields) == (INVALID, "PAGE_TOKEN_INVALID", ["page_token"])


async def test_66_a_page_token_of_another_list(admin: Client) -> None:
    for _ in range(2):
        await _asked(admin)
    first = await call_as(
        admin, find(TALKS + "ListConversations"), conversation_pb2.ListConversationsRequest(page_size=1)
    )
    token = first.responses[0].next_page_token
    for request in (
        conversation_pb2.ListConversationsRequest(page_token=token, query="x"),
        conversation_pb2.ListConversationsRequest(page_token=token, statuses=[unknown(1)]),
    ):
        refusal = (await call_as(admin, find(TALKS + "ListConversations"), request)).refusal
        assert refusal is not None
        assert refusal.reason == "PAGE_TOKEN_INVALID"


async def test_65_page_sizes_are_clamped(admin: Client) -> None:
    for path, request in (
        (TALKS + "ListConversations", conversation_pb2.ListConversationsRequest(page_size=2**31 - 1)),
        (KNOWLEDGE + "ListArticles", knowledge_pb2.ListArticlesRequest(page_size=2**31 - 1)),
    ):
        assert (await call_as(admin, find(path), request)).refusal is None


async def test_67_a_bad_document_is_reported_and_the_rest_goes_in(admin: Client) -> None:
    documents = {
        "good.md": (b"# Refunds\n\nWithin 30 days of the purchase.", ""),
        "image.md": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "text/markdown"),
        "page.html": (b"\x00\x01\x02%PDF-1.7 \xff\xfe", "text/html"),
        "empty.md": (b"", ""),
        "bad.txt": (b"\xff\xfe\xfa broken \x80", "text/plain"),
        "../climbs.md": (b"# Out\n\nOf the folder.", ""),
        "tool.exe": (b"MZ\x90\x00", "application/octet-stream"),
        "last.md": (b"# Billing\n\nInvoices are sent by e-mail.", ""),
    }
    requests = [
        knowledge_pb2.ImportArticlesRequest(source_path=path, content=content, media_type=kind)
        for path, (content, kind) in documents.items()
    ]
    outcome = await call_as(admin, find(KNOWLEDGE + "ImportArticles"), *requests)
    response = outcome.responses[0]

    by_path = {result.source_path: result for result in response.results}
    assert list(by_path) == list(documents)
    assert (response.created_count, response.failed_count) == (2, len(documents) - 2)
    for path in set(documents) - {"good.md", "last.md"}:
        assert by_path[path].reason, path
        assert by_path[path].message, path


# Faults of our own.


async def test_76_a_bug_shows_the_request_id_alone(ana: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("SELECT secret FROM conversations failed at /srv/deskwire_server/app.py line 3")

    monkeypatch.setattr(ConversationService, "get", broken)
    request_id = str(uuid4())
    request = conversation_pb2.GetConversationRequest(conversation_id=NEVER)
    metadata = (*ana.metadata, ("x-request-id", request_id))
    refusal = (await call(ana.channel, find(TALKS + "GetConversation"), [request], metadata)).refusal

    assert refusal is not None
    assert refusal.code is grpc.StatusCode.INTERNAL
    assert refusal.status is not None
    assert len(refusal.status.details) == 1
    info = refusal.detail(error_details_pb2.ErrorInfo)
    assert info is not None
    assert dict(info.metadata) == {"request_id": request_id}
    refusal.assert_nothing_internal("secret")
