"""A tenant with a life of its own: what a test of isolation plants into the calls of others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2, feedback_pb2, intent_pb2, knowledge_pb2, source_pb2

from tests.rpc.contract import call_as, find
from tests.support.postgres import TestPostgres
from tests.support.server import Client, Server, new_tenant

CREATE_ARTICLE = "/deskwire.v1.KnowledgeService/CreateArticle"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


@dataclass(frozen=True, slots=True)
class World:
    """Callers of one tenant and the ids of what its user and its administrator have made."""

    tenant: str
    tenant_key: str
    """The tenant's own id."""
    user_id: str
    user: Client
    admin: Client
    service: Client
    ids: dict[str, str]
    """By the name of the field that carries them; several of one kind have a suffix after `/`."""
    marker: str
    """A word that stands in every text of this world."""

    @property
    def secrets(self) -> list[str]:
        """What no answer to somebody else may hold."""
        return [self.marker, *(value for key, value in self.ids.items() if key not in ("tenant_id", "user_id"))]

    def of_user(self) -> dict[str, str]:
        """What belongs to the user alone; articles are the tenant's."""
        return {
            key: value
            for key, value in self.ids.items()
            if key not in ("tenant_id", "user_id", "article_id", "intent_id", "source_path", "page_token/articles")
        }


async def make_world(server: Server, *, tenant: str = "", user_id: str = "") -> World:
    """Build one by ordinary calls."""
    tenant, user_id, marker = tenant or new_tenant(), user_id or f"u{uuid4().hex[:8]}", f"m{uuid4().hex[:12]}"
    user, admin, service = (
        server.client(tenant=tenant, user=name, role=role)
        for name, role in ((user_id, "user"), (f"{user_id}-admin", "admin"), (f"{user_id}-service", "service"))
    )
    ids = {"tenant_id": tenant, "user_id": user_id, "session_id": f"session-{marker}", "request_id": f"r-{marker}"}
    for session in (ids["session_id"], f"second-{marker}"):
        request = chat_pb2.ChatRequest(session_id=session, message=chat_pb2.UserMessage(text=f"Ask {marker}"))
        if session == ids["session_id"]:
            request.message.request_id = ids["request_id"]
        answered = (await call_as(user, find("/deskwire.v1.ChatService/Chat"), request)).responses[0]
        ids.setdefault("conversation_id", answered.conversation_id)
        ids.setdefault("turn_id", answered.message.turn_id)
        ids.setdefault("message_id/question", answered.user_message.id)
        ids.setdefault("message_id", answered.message.id)
        ids.setdefault("feedback_id", await _give_feedback(user, answered.message, f"Thanks, {marker}."))
    for number in range(2):
        path = f"{marker}/{number}.md"
        made = await make_article(admin, f"Title {marker}", f"Refunds take {number} days, {marker}.", path)
        ids.setdefault("article_id", made)
        ids.setdefault("source_path", path)
    ids["intent_id"] = await make_intent(admin, f"intent-{marker}")
    await make_intent(admin, f"other-{marker}")
    ids["source_id"] = await make_source(admin, f"s-{marker}")
    ids["gap_id"] = await _make_gap(server, tenant, f"Where is {marker}?")
    ids |= await _page_tokens(user, ids["conversation_id"])
    return World(tenant, await _tenant_key(server, tenant), user_id, user, admin, service, ids, marker)


async def _tenant_key(server: Server, tenant: str) -> str:
    assert server.settings.database_url is not None
    connection = await asyncpg.connect(server.settings.database_url.get_secret_value())
    try:
        return str(await connection.fetchval("SELECT id FROM tenant_find($1)", tenant))
    finally:
        await connection.close()


async def make_article(client: Client, title: str, content: str, source_path: str = "") -> str:
    """Write an article and return its id."""
    article = knowledge_pb2.Article(title=title, content=content, source_path=source_path)
    made = await call_as(client, find(CREATE_ARTICLE), knowledge_pb2.CreateArticleRequest(article=article))
    return str(made.responses[0].article.id)


async def make_intent(client: Client, name: str) -> str:
    """Make an intent and return its id."""
    request = intent_pb2.CreateIntentRequest(intent=intent_pb2.Intent(name=name, examples=[f"First {name}", name]))
    made = await call_as(client, find("/deskwire.v1.IntentService/CreateIntent"), request)
    return str(made.responses[0].intent.id)


async def _make_gap(server: Server, tenant: str, question: str) -> str:
    """A question without an answer, as the background work would note it."""
    assert server.settings.database_url is not None
    connection = await asyncpg.connect(server.settings.database_url.get_secret_value())
    try:
        tenant_id = await connection.fetchval("SELECT id FROM tenant_find($1)", tenant)
        await connection.execute("SELECT set_config('deskwire.tenant_id', $1, false)", str(tenant_id))
        return str(
            await connection.fetchval(
                "INSERT INTO knowledge_gaps (tenant_id, question, embedder, vector, first_asked_at, last_asked_at) "
                "VALUES ($1, $2, '', '', now(), now()) RETURNING id",
                tenant_id,
                question,
            )
        )
    finally:
        await connection.close()


async def make_source(admin: Client, name: str) -> str:
    """Set up a site that nobody reads and return its id."""
    source = source_pb2.Source(name=name, url="https://site.invalid/")
    path = "/deskwire.v1.SourceService/CreateSource"
    made = await call_as(admin, find(path), source_pb2.CreateSourceRequest(source=source))
    return str(made.responses[0].source.id)


async def _give_feedback(user: Client, answer: common_pb2.Message, comment: str) -> str:
    request = feedback_pb2.SubmitFeedbackRequest(
        conversation_id=answer.conversation_id, message_id=answer.id, comment=comment,
        sentiment=common_pb2.FEEDBACK_SENTIMENT_POSITIVE,
    )  # fmt: skip
    given = await call_as(user, find("/deskwire.v1.FeedbackService/SubmitFeedback"), request)
    return str(given.responses[0].feedback.id)


async def _page_tokens(user: Client, conversation_id: str) -> dict[str, str]:
    lists: dict[str, tuple[str, Any]] = {
        "conversations": ("/deskwire.v1.ConversationService/ListConversations",
                          conversation_pb2.ListConversationsRequest(page_size=1)),
        "messages": ("/deskwire.v1.ConversationService/ListMessages",
                     conversation_pb2.ListMessagesRequest(conversation_id=conversation_id, page_size=1)),
        "history": ("/deskwire.v1.ConversationService/ListHistory", conversation_pb2.ListHistoryRequest(page_size=1)),
        "feedback": ("/deskwire.v1.FeedbackService/ListFeedback", feedback_pb2.ListFeedbackRequest(page_size=1)),
        "articles": ("/deskwire.v1.KnowledgeService/ListArticles", knowledge_pb2.ListArticlesRequest(page_size=1)),
    }  # fmt: skip
    tokens = {}
    for name, (path, request) in lists.items():
        token = (await call_as(user, find(path), request)).responses[0].next_page_token
        assert token, name
        tokens[f"page_token/{name}"] = token
    return tokens


def never(value: str) -> str:
    """A value of the same shape that never existed."""
    if _UUID.match(value):
        return str(uuid4())
    fresh = iter(uuid4().hex * (len(value) // 32 + 1))
    return "".join(next(fresh) if char.isalnum() else char for char in value)


async def rows_of(postgres: TestPostgres, *words: str) -> dict[str, list[str]]:
    """Every row of every tenant table in which one of `words` stands, by table."""
    connection = await asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + "/deskwire")
    try:
        found = {}
        for table in [row[0] for row in await connection.fetch(_TENANT_TABLES)]:
            rows = await connection.fetch(
                f"SELECT to_jsonb(t)::text AS row FROM {table} t WHERE to_jsonb(t)::text LIKE ANY ($1) ORDER BY 1",
                [f"%{word}%" for word in words],
            )
            found[table] = [row["row"] for row in rows]
        return found
    finally:
        await connection.close()


_TENANT_TABLES = "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id' ORDER BY 1"


def secrets_in(text: str, world: World, planted: Sequence[str]) -> list[str]:
    """Which of a world's secrets stand in `text`, those left out that the caller had sent."""
    sent = " ".join(planted)
    return [secret for secret in world.secrets if secret in text and secret not in sent]
