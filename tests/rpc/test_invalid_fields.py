"""Messages that parse and break a rule: each refusal names the field, over a real server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from deskwire.compat.v1 import portal_pb2, site_pb2, support_pb2
from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2, knowledge_pb2
from google.protobuf import field_mask_pb2, struct_pb2, timestamp_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from tests.rpc.contract import call_as, converse, find
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
from tests.support.server import Client

INVALID = grpc.StatusCode.INVALID_ARGUMENT
LONG = "x" * 8_001


def _struct(**values: Any) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct


INVALID_FIELDS: list[tuple[str, str, Sequence[Message | bytes], str]] = [
    ("44 no message", CHAT, [chat_pb2.ChatRequest()], "message"),
    ("44 empty", CHAT, [asking(message=message(""))], "message.text"),
    ("45 over the limit", CHAT, [asking(message=message(LONG))], "message.text"),
    ("46 NUL", CHAT, [asking(message=message("a\0b"))], "message.text"),
    ("47 zero width", CHAT, [asking(message=message("\u200b\u200d \ufeff\u2060"))], "message.text"),
    ("47 blanks", CHAT, [asking(message=message(" \n\t"))], "message.text"),
    ("48 no id", CHAT, [asking(conversation_id="42")], "conversation_id"),
    ("49 unknown enum value", CHAT, [asking(message=message(while_answering=99))], "message.while_answering"),
    ("request id", CHAT, [asking(message=message(request_id="r" * 129))], "message.request_id"),
    ("NUL in a request id", CHAT, [asking(message=message(request_id="r\0"))], "message.request_id"),
    ("NUL in a session", CHAT, [asking(session_id="s\0")], "session_id"),
    ("NUL in the context", CHAT, [asking(context=common_pb2.ChatContext(attributes={"a": "\0"}))],
     "context.attributes['a']"),
    ("temperature", CHAT, [asking(message=message(options=common_pb2.AnswerOptions(temperature=float("nan"))))],
     "message.options.temperature"),
    ("temperature", CHAT, [asking(message=message(options=common_pb2.AnswerOptions(temperature=float("inf"))))],
     "message.options.temperature"),
    ("tokens", CHAT, [asking(message=message(options=common_pb2.AnswerOptions(max_tokens=0)))],
     "message.options.max_tokens"),
    ("48 watching no id", WATCH,
     [chat_pb2.WatchConversationRequest(conversation_id="{" + NEVER + "}")], "conversation_id"),
    ("a negative cursor", WATCH,
     [chat_pb2.WatchConversationRequest(conversation_id=NEVER, after_sequence=-1)], "after_sequence"),
    ("48 cancelling no id", "/deskwire.v1.ChatService/CancelTurn",
     [chat_pb2.CancelTurnRequest(conversation_id=NEVER, turn_id="7")], "turn_id"),
    ("44 on a stream", CONVERSE, [chat_pb2.ConverseRequest(message=message(""))], "message.text"),
    ("46 on an open stream", CONVERSE, converse(chat_pb2.ConverseRequest(message=message("\0"))), "message.text"),
    ("nothing on a stream", CONVERSE, [chat_pb2.ConverseRequest()], "request"),
    ("a ping out of time", CONVERSE,
     converse(chat_pb2.ConverseRequest(ping=chat_pb2.Ping(client_time=timestamp_pb2.Timestamp(seconds=2**60)))),
     "ping.client_time"),
    ("an opening out of time", CONVERSE, [chat_pb2.ConverseRequest(
        open=chat_pb2.OpenConversation(client_time=timestamp_pb2.Timestamp(nanos=-1)))], "open.client_time"),
    ("title", TALKS + "CreateConversation",
     [conversation_pb2.CreateConversationRequest(conversation=conversation_pb2.Conversation(title="x" * 201))],
     "conversation.title"),
    ("NUL in a tag", TALKS + "CreateConversation",
     [conversation_pb2.CreateConversationRequest(conversation=conversation_pb2.Conversation(tags=["a", "\0"]))],
     "conversation.tags[1]"),
    ("NUL in metadata", TALKS + "CreateConversation",
     [conversation_pb2.CreateConversationRequest(conversation=conversation_pb2.Conversation(metadata={"k": "\0"}))],
     "conversation.metadata['k']"),
    ("NUL in a session", TALKS + "GetOrCreateConversation",
     [conversation_pb2.GetOrCreateConversationRequest(session_id="\0")], "session_id"),
    ("no session", TALKS + "GetOrCreateConversation",
     [conversation_pb2.GetOrCreateConversationRequest()], "session_id"),
    ("48", TALKS + "GetConversation",
     [conversation_pb2.GetConversationRequest(conversation_id="x")], "conversation_id"),
    ("48", TALKS + "UpdateConversation", [conversation_pb2.UpdateConversationRequest(
        conversation=conversation_pb2.Conversation(id="x"))], "conversation"),
    ("mask", TALKS + "UpdateConversation", [conversation_pb2.UpdateConversationRequest(
        conversation=conversation_pb2.Conversation(id=NEVER),
        update_mask=field_mask_pb2.FieldMask(paths=["user_id"]))], "update_mask"),
    ("49", TALKS + "EndConversation", [conversation_pb2.EndConversationRequest(
        conversation_id=NEVER, status=unknown(77))],
     "status"),
    ("ending as active", TALKS + "EndConversation",
     [conversation_pb2.EndConversationRequest(conversation_id=NEVER, status=unknown(1))], "status"),
    ("65 page size", TALKS + "ListConversations",
     [conversation_pb2.ListConversationsRequest(page_size=-1)], "page_size"),
    ("49", TALKS + "ListConversations",
     [conversation_pb2.ListConversationsRequest(statuses=[unknown(9)])], "statuses[0]"),
    ("NUL in a filter", TALKS + "ListConversations", [conversation_pb2.ListConversationsRequest(query="\0")], "query"),
    ("65 page size", TALKS + "ListMessages",
     [conversation_pb2.ListMessagesRequest(conversation_id=NEVER, page_size=-5)], "page_size"),
    ("65 limit 0", KNOWLEDGE + "SearchKnowledge", [knowledge_pb2.SearchKnowledgeRequest(query="x", limit=0)], "limit"),
    ("65 limit 10,000", KNOWLEDGE + "SearchKnowledge",
     [knowledge_pb2.SearchKnowledgeRequest(query="x", limit=10_000)], "limit"),
    ("64 not a number", KNOWLEDGE + "SearchKnowledge",
     [knowledge_pb2.SearchKnowledgeRequest(query="x", min_relevance=float("nan"))], "min_relevance"),
    ("46 NUL", KNOWLEDGE + "SearchKnowledge", [knowledge_pb2.SearchKnowledgeRequest(query="a\0")], "query"),
    ("NUL in a term", KNOWLEDGE + "SearchKnowledge",
     [knowledge_pb2.SearchKnowledgeRequest(query="a", context_terms=["\0"])], "context_terms[0]"),
    ("a time that is none", KNOWLEDGE + "SearchKnowledge", [knowledge_pb2.SearchKnowledgeRequest(
        query="a", filter=knowledge_pb2.KnowledgeFilter(update_time=common_pb2.TimeRange(
            start_time=timestamp_pb2.Timestamp(seconds=-(2**60)))))], "filter.update_time.start_time"),
    ("no title", KNOWLEDGE + "CreateArticle",
     [knowledge_pb2.CreateArticleRequest(article=knowledge_pb2.Article(content="x"))], "article"),
    ("NUL in a tag", KNOWLEDGE + "CreateArticle", [knowledge_pb2.CreateArticleRequest(
        article=knowledge_pb2.Article(title="t", content="x", tags=["\0"]))], "article.tags[0]"),
    ("67 nothing but markup", KNOWLEDGE + "CreateArticle",
     [knowledge_pb2.CreateArticleRequest(article=knowledge_pb2.Article(title="t", content="![](a.png)"))],
     "article.content"),
    ("48", KNOWLEDGE + "GetArticle", [knowledge_pb2.GetArticleRequest(article_id="x")], "article_id"),
    ("48", KNOWLEDGE + "UpdateArticle",
     [knowledge_pb2.UpdateArticleRequest(article=knowledge_pb2.Article(id="x"))], "article"),
    ("48", KNOWLEDGE + "DeleteArticle", [knowledge_pb2.DeleteArticleRequest(article_id="x")], "article_id"),
    ("NUL in a filter", KNOWLEDGE + "ListArticles", [knowledge_pb2.ListArticlesRequest(query="\0")], "query"),
    ("a path that climbs", KNOWLEDGE + "CreateArticle", [knowledge_pb2.CreateArticleRequest(
        article=knowledge_pb2.Article(title="t", content="x", source_path="../a.md"))], "article.source_path"),
    ("an address that runs", KNOWLEDGE + "CreateArticle", [knowledge_pb2.CreateArticleRequest(
        article=knowledge_pb2.Article(title="t", content="x", url="javascript:alert(1)"))], "article.url"),
    ("44", PORTAL + "Chat", [portal_pb2.PortalAssistantServiceChatRequest()], "message.text"),
    ("NaN in a profile", PORTAL + "Chat", [portal_pb2.PortalAssistantServiceChatRequest(
        message="Hi", context=portal_pb2.PortalContext(user_profile=_struct(name=float("nan"))))],
     "context.user_profile.fields['name'].number_value"),
    ("a name that is none", PORTAL + "Chat",
     [portal_pb2.PortalAssistantServiceChatRequest(message="Hi", conversation_id="a\nb")], "conversationId"),
    ("65 limit 0", PORTAL + "SearchKnowledgeBase",
     [portal_pb2.SearchKnowledgeBaseRequest(query="x", limit=0)], "limit"),
    ("44", SITE + "StreamChat", [site_pb2.StreamChatRequest()], "message.text"),
    ("history", SITE + "StreamChat",
     [site_pb2.StreamChatRequest(message="Hi", max_context_messages=-1)], "message.options.max_history_messages"),
    ("infinity in metadata", SITE + "CreateConversation",
     [site_pb2.SiteAssistantServiceCreateConversationRequest(metadata=_struct(a=float("inf")))],
     "metadata.fields['a'].number_value"),
    ("no id", SITE + "GetConversation", [site_pb2.SiteAssistantServiceGetConversationRequest()], "id"),
    ("44", SUPPORT + "Chat", [support_pb2.SupportAssistantServiceChatRequest()], "message.text"),
    ("no id", SUPPORT + "GetConversation",
     [support_pb2.SupportAssistantServiceGetConversationRequest()], "conversation_id"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "requests", "field"),
    [pytest.param(path, requests, field, id=f"{path.rpartition('/')[2]} {name}")
     for name, path, requests, field in INVALID_FIELDS],
)  # fmt: skip
async def test_invalid_fields(admin: Client, path: str, requests: Sequence[Message | bytes], field: str) -> None:
    refusal = (await call_as(admin, find(path), *requests)).refusal

    assert refusal is not None
    assert (refusal.code, refusal.reason) == (INVALID, "INVALID_FIELD"), refusal
    assert field in refusal.fields
    found = refusal.detail(error_details_pb2.BadRequest)
    assert found is not None
    assert all(violation.description and violation.reason for violation in found.field_violations)
    refusal.assert_nothing_internal()


async def test_a_provider_that_nobody_configured(ana: Client) -> None:
    request = asking(message=message(options=common_pb2.AnswerOptions(provider="nobody")))
    refusal = (await call_as(ana, find(CHAT), request)).refusal

    assert refusal is not None
    assert (refusal.code, refusal.reason, refusal.fields) == (INVALID, "PROVIDER_UNKNOWN", ["message.options.provider"])


async def test_an_error_names_so_many_fields_as_fit(admin: Client) -> None:
    many = conversation_pb2.Conversation(tags=[""] * 5_000, metadata={"k" * 100_000: "v"})
    for conversation in (many, conversation_pb2.Conversation(metadata={"k" * 100_000: "v"})):
        request = conversation_pb2.CreateConversationRequest(conversation=conversation)
        refusal = (await call_as(admin, find(CREATE), request)).refusal
        assert refusal is not None
        assert (refusal.code, refusal.reason) == (INVALID, "INVALID_FIELD")
        assert 1 <= len(refusal.fields) <= 20
