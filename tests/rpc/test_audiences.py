"""Audiences over the wire: search, lists, articles and the citations of answers follow the token, never the body."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from deskwire.v1 import chat_pb2, common_pb2, knowledge_pb2

from deskwire_server.auth import tokens
from tests.rpc.test_chat import error_info
from tests.support.loop_watch import watched_loop
from tests.support.postgres import TestPostgres
from tests.support.server import Client, Server, make_settings, new_tenant, running_server

QUESTION = "How long does a refund take?"
ARTICLES = {
    "Refunds": ("A refund takes five days to reach your card.", None),
    "Refunds for Pro": ("A refund of the Pro plan takes one day to reach your card.", {"plans": ["pro"]}),
    "Refunds from inside": ("A refund takes an hour when an agent presses the red button.", {"roles": ["agent"]}),
}


@pytest.fixture
async def builtin(postgres: TestPostgres) -> AsyncIterator[Server]:
    """A worker that answers by quoting."""
    async with running_server(make_settings(postgres, builtin_pace=0.0)) as running:
        yield running


@pytest.fixture
async def tenant(builtin: Server) -> str:
    """A tenant with the articles."""
    slug = new_tenant()
    admin = builtin.client(tenant=slug, user="cleo", role="admin")
    for title, (content, audience) in ARTICLES.items():
        article = knowledge_pb2.Article(title=title, content=content, language="en")
        if audience:
            article.audience.CopyFrom(knowledge_pb2.Audience(**audience))
        await admin.knowledge.CreateArticle(
            knowledge_pb2.CreateArticleRequest(article=article), metadata=admin.metadata, timeout=10
        )
    return slug


def _client(server: Server, tenant: str, *, role: str = "user", plan: str = "") -> Client:
    return Client(server.channel, tokens.mint(server.settings, tenant=tenant, user=role + plan, role=role, plan=plan))


WHO = [
    ("user", "", {"Refunds"}),
    ("user", "free", {"Refunds"}),
    ("user", "pro", {"Refunds", "Refunds for Pro"}),
    ("agent", "", {"Refunds", "Refunds for Pro", "Refunds from inside"}),
    ("admin", "", set(ARTICLES)),
]


@pytest.mark.parametrize(
    ("role", "plan", "expected"), WHO, ids=lambda value: f"{len(value)}" if isinstance(value, set) else value
)
async def test_who_sees_what(builtin: Server, tenant: str, role: str, plan: str, expected: set[str]) -> None:
    client = _client(builtin, tenant, role=role, plan=plan)
    found = await client.knowledge.SearchKnowledge(
        knowledge_pb2.SearchKnowledgeRequest(query="refund"), metadata=client.metadata, timeout=10
    )
    assert {result.article.title for result in found.results} == expected
    assert found.total_count == len(expected)
    listed = await client.knowledge.ListArticles(
        knowledge_pb2.ListArticlesRequest(), metadata=client.metadata, timeout=10
    )
    assert {article.title for article in listed.articles} == expected
    assert listed.total_count == len(expected)

    # What the body says of the person informs the answer and widens nothing.
    profile = common_pb2.UserProfile(role="admin", subscription=common_pb2.Subscription(plan="pro"))
    said = common_pb2.ChatContext(user_profile=profile)
    for request in (
        chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=QUESTION)),
        chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=QUESTION), context=said),
    ):
        answer = await client.chat.Chat(request, metadata=client.metadata, timeout=20)
        assert {citation.title for citation in answer.message.answer.citations} <= expected
        assert ("red button" in answer.message.text) <= ("Refunds from inside" in expected)
        assert ("one day" in answer.message.text) <= ("Refunds for Pro" in expected)


async def test_an_article_for_others_is_not_found_byte_for_byte(builtin: Server, tenant: str) -> None:
    admin, user = _client(builtin, tenant, role="admin"), _client(builtin, tenant)
    listed = await admin.knowledge.ListArticles(
        knowledge_pb2.ListArticlesRequest(query="inside"), metadata=admin.metadata, timeout=10
    )
    errors = []
    for article_id in (listed.articles[0].id, "0197f1a0-0000-7000-8000-000000000000"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await user.knowledge.GetArticle(
                knowledge_pb2.GetArticleRequest(article_id=article_id), metadata=user.metadata, timeout=10
            )
        errors.append((refused.value.code(), refused.value.details(), error_info(refused.value)))
    assert errors[0] == errors[1]
    assert errors[0][0] is grpc.StatusCode.NOT_FOUND


async def test_a_service_that_acts_for_a_user_sees_what_the_user_sees(builtin: Server, tenant: str) -> None:
    service = _client(builtin, tenant, role="service")
    request = knowledge_pb2.SearchKnowledgeRequest(query="refund")
    own = await service.knowledge.SearchKnowledge(request, metadata=service.metadata, timeout=10)
    assert own.total_count == len(ARTICLES)
    acting = (*service.metadata, ("x-deskwire-user", "ana"))
    for_ana = await service.knowledge.SearchKnowledge(request, metadata=acting, timeout=10)
    assert [result.article.title for result in for_ana.results] == ["Refunds"]


async def test_what_an_agent_asks_in_a_user_s_conversation_rests_on_what_the_user_may_read(
    builtin: Server, tenant: str
) -> None:
    user, agent = _client(builtin, tenant), _client(builtin, tenant, role="agent")
    asked = await user.chat.Chat(
        chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text="Hello")), metadata=user.metadata, timeout=20
    )
    request = chat_pb2.ChatRequest(
        message=chat_pb2.UserMessage(text=QUESTION), conversation_id=asked.message.conversation_id
    )
    answer = await agent.chat.Chat(request, metadata=agent.metadata, timeout=20)
    assert {citation.title for citation in answer.message.answer.citations} <= {"Refunds"}


async def test_an_audience_is_changed_by_mask(builtin: Server, tenant: str) -> None:
    admin, user = _client(builtin, tenant, role="admin"), _client(builtin, tenant)
    listed = await admin.knowledge.ListArticles(
        knowledge_pb2.ListArticlesRequest(query="inside"), metadata=admin.metadata, timeout=10
    )
    article = listed.articles[0]
    assert list(article.audience.roles) == ["agent"]
    request = knowledge_pb2.UpdateArticleRequest(article=knowledge_pb2.Article(id=article.id, etag=article.etag))
    request.update_mask.paths.append("audience")
    changed = await admin.knowledge.UpdateArticle(request, metadata=admin.metadata, timeout=10)
    assert not changed.article.HasField("audience")
    found = await user.knowledge.GetArticle(
        knowledge_pb2.GetArticleRequest(article_id=article.id), metadata=user.metadata, timeout=10
    )
    assert found.article.title == "Refunds from inside"


async def test_embedders_without_any(builtin: Server, tenant: str) -> None:
    admin = _client(builtin, tenant, role="admin")
    listed = await admin.knowledge.ListEmbedders(
        knowledge_pb2.ListEmbeddersRequest(), metadata=admin.metadata, timeout=10
    )
    assert not listed.embedders
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await admin.knowledge.StartReembedding(
            knowledge_pb2.StartReembeddingRequest(name="local/none"), metadata=admin.metadata, timeout=10
        )
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error_info(refused.value).reason == "EMBEDDER_UNKNOWN"


async def test_answers_never_keep_the_event_loop(builtin: Server, tenant: str) -> None:
    user = _client(builtin, tenant)
    for _ in range(2):  # The first answer loads what is loaded once.
        with watched_loop() as watch:
            for text in (QUESTION, "Wie lange dauert eine Rückerstattung?", "refund " * 300):
                await user.chat.Chat(
                    chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=text)), metadata=user.metadata, timeout=20
                )
    watch.check()
