"""What happens behind an answer: titles, and summaries of what later answers do not see any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2

from deskwire_server.llm.port import (
    CompletionRequest,
    Finished,
    FinishReason,
    ProviderError,
    ProviderEvent,
    TextChunk,
    Usage,
)
from tests.support.postgres import TestPostgres
from tests.support.server import Client, Server, make_settings, running_server

Conversation = conversation_pb2.Conversation


class Model:
    """Writes titles, summaries and answers, each to be told from the others, and keeps what it was asked."""

    name = "model"
    default_model = "model-1"

    def __init__(self) -> None:
        self.answers: list[CompletionRequest] = []
        self.summaries: list[CompletionRequest] = []
        self.titles: list[CompletionRequest] = []
        self.failures = 0
        """Titles and summaries that fail before one succeeds."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        if request.stands_alone:
            kind, made = ("Summary", self.summaries) if "summary" in request.system else ("Title", self.titles)
            if self.failures:
                self.failures -= 1
                raise ProviderError("away", provider=self.name, kind="overloaded", retryable=True)
            made.append(request)
            yield TextChunk(f"{kind} {len(made)}")
        else:
            self.answers.append(request)
            yield TextChunk(f"Answer to {request.messages[-1].content}")
        yield Finished(FinishReason.STOP, self.default_model, Usage(11, 3), confidence=0.9)

    async def close(self) -> None:
        return


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
async def emptied(postgres: TestPostgres) -> None:
    """Work that other tests left behind is not done here."""
    connection = await asyncpg.connect(postgres.system_url)
    await connection.execute("DELETE FROM jobs.pgqueuer")
    await connection.close()


@pytest.fixture
async def working(postgres: TestPostgres, model: Model, emptied: None) -> AsyncIterator[Server]:
    """A worker whose answers see four messages."""
    settings = make_settings(postgres, background_jobs=True, max_conversation_history=4)
    async with running_server(settings, provider=model) as server:
        yield server


async def ask(client: Client, text: str, conversation_id: str = "", **options: Any) -> chat_pb2.ChatResponse:
    message = chat_pb2.UserMessage(text=text, options=common_pb2.AnswerOptions(**options))
    request = chat_pb2.ChatRequest(message=message)
    if conversation_id:
        request.conversation_id = conversation_id
    return await client.chat.Chat(request, metadata=client.metadata, timeout=20)


async def get(client: Client, conversation_id: str) -> Conversation:
    request = conversation_pb2.GetConversationRequest(conversation_id=conversation_id)
    return (await client.conversations.GetConversation(request, metadata=client.metadata)).conversation


async def become(client: Client, conversation_id: str, condition: Callable[[Conversation], bool]) -> Conversation:
    """Wait until a conversation is as wanted."""
    async with asyncio.timeout(10):
        while not condition(found := await get(client, conversation_id)):
            await asyncio.sleep(0.02)
    return found


async def idle(postgres: TestPostgres) -> None:
    """Wait until no job is left."""
    connection = await asyncpg.connect(postgres.system_url)
    try:
        async with asyncio.timeout(10):
            while await connection.fetchval("SELECT count(*) FROM jobs.pgqueuer"):
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def in_tenant(postgres: TestPostgres, query: str, *arguments: Any) -> list[asyncpg.Record]:
    """Ask the database as one that sees everything."""
    connection = await asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + "/deskwire")
    try:
        return list(await connection.fetch(query, *arguments))
    finally:
        await connection.close()


# Titles.


async def test_the_first_answer_leads_to_a_title_of_which_streams_are_told(
    working: Server, postgres: TestPostgres, model: Model, tenant: str
) -> None:
    ana = working.client(tenant=tenant)
    made = await ask(ana, "How do I reset my password?")
    watching = ana.chat.WatchConversation(
        chat_pb2.WatchConversationRequest(conversation_id=made.conversation_id, after_sequence=3),
        metadata=ana.metadata, timeout=20,
    )  # fmt: skip
    async for response in watching:
        if response.event.HasField("conversation_changed"):
            assert response.event.conversation_changed.conversation.title == "Title 1"
            break
    watching.cancel()
    assert (await get(ana, made.conversation_id)).title == "Title 1"
    (request,) = model.titles
    assert "How do I reset my password?" in request.messages[-1].content

    await ask(ana, "And my e-mail address?", made.conversation_id)
    await idle(postgres)
    assert len(model.titles) == 1, "a title is made once"
    assert len(model.summaries) == 1
    costs = await in_tenant(
        postgres,
        "SELECT u.* FROM usage u JOIN turns t ON t.id = u.turn_id "
        "WHERE t.conversation_id = $1::text::uuid ORDER BY u.id",
        made.conversation_id,
    )
    assert [(row["attempt"], row["input_tokens"], row["output_tokens"]) for row in costs] == [
        (1, 11, 3), (0, 11, 3), (1, 11, 3), (0, 11, 3)
    ]  # fmt: skip


async def test_a_title_that_somebody_set_stays(
    working: Server, postgres: TestPostgres, model: Model, tenant: str
) -> None:
    ana = working.client(tenant=tenant)
    made = await ana.conversations.CreateConversation(
        conversation_pb2.CreateConversationRequest(conversation=Conversation(title="Mine")), metadata=ana.metadata
    )
    await ask(ana, "How do I reset my password?", made.conversation.id)
    await idle(postgres)
    assert (await get(ana, made.conversation.id)).title == "Mine"
    assert model.titles == []


async def test_small_talk_waits_for_a_matter(
    working: Server, postgres: TestPostgres, model: Model, tenant: str
) -> None:
    ana = working.client(tenant=tenant)
    made = await ask(ana, "Hello!")
    await idle(postgres)
    assert (await get(ana, made.conversation_id)).title == "Hello!"
    await ask(ana, "Where are my invoices?", made.conversation_id)
    await become(ana, made.conversation_id, lambda found: found.title == "Title 1")
    assert "Hello!" not in model.titles[0].messages[-1].content


async def test_without_a_model_titles_quote(postgres: TestPostgres, emptied: None, tenant: str) -> None:
    async with running_server(make_settings(postgres, background_jobs=True)) as server:
        ana = server.client(tenant=tenant)
        made = await ask(ana, "Hi there, how do I reset my password?")
        await become(ana, made.conversation_id, lambda found: found.title == "Reset my password")


async def test_a_provider_that_fails_is_tried_again(
    working: Server, model: Model, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deskwire_server.jobs.models.random.uniform", lambda *_: 0.01)
    model.failures = 2
    ana = working.client(tenant=tenant)
    made = await ask(ana, "How do I reset my password?")
    await become(ana, made.conversation_id, lambda found: found.title == "Title 1")


# Summaries.


async def talk(client: Client, words: list[str], conversation_id: str = "") -> str:
    for word in words:
        conversation_id = (await ask(client, word, conversation_id)).conversation_id
    return conversation_id


def seen(request: CompletionRequest) -> list[str]:
    """The questions that a model saw in full."""
    return [message.content for message in request.messages if message.role == "user"]


async def test_what_leaves_the_window_is_summarised_once_and_reused(
    working: Server, postgres: TestPostgres, model: Model, tenant: str
) -> None:
    ana = working.client(tenant=tenant)
    conversation_id = await talk(ana, ["one", "two"])
    found = await become(ana, conversation_id, lambda found: found.summary != "")
    assert found.summary == "Summary 1"
    assert "User: one" in model.summaries[0].messages[-1].content
    assert "two" not in model.summaries[0].messages[-1].content
    await ask(ana, "three", conversation_id)
    assert seen(model.answers[-1]) == ["one", "two", "three"]
    assert "Summary 1" not in model.answers[-1].system, "nothing is out of sight yet"

    await become(ana, conversation_id, lambda found: found.summary == "Summary 2")
    await ask(ana, "four", conversation_id)
    assert seen(model.answers[-1]) == ["two", "three", "four"]
    assert "<earlier_conversation>\nSummary 1\n</earlier_conversation>" in model.answers[-1].system
    assert "Summary 1" in model.summaries[1].messages[-1].content
    assert "User: one" not in model.summaries[1].messages[-1].content

    await ask(ana, "five", conversation_id, include_history=False)
    assert seen(model.answers[-1]) == ["five"]
    assert "earlier_conversation" not in model.answers[-1].system
    await idle(postgres)
    stored = await in_tenant(
        postgres, "SELECT count(*) FROM summaries WHERE conversation_id = $1::text::uuid", conversation_id
    )
    assert stored[0][0] == len(model.summaries)


async def test_a_branch_sees_summaries_of_its_own_ancestors_alone(
    working: Server, postgres: TestPostgres, model: Model, tenant: str
) -> None:
    ana = working.client(tenant=tenant)
    conversation_id = await talk(ana, ["one"])
    first = await ana.conversations.ListMessages(
        conversation_pb2.ListMessagesRequest(conversation_id=conversation_id), metadata=ana.metadata
    )
    for word in ("two", "three", "four"):
        await ask(ana, word, conversation_id)
        await idle(postgres)
    newest = (await get(ana, conversation_id)).summary
    assert newest == f"Summary {len(model.summaries)}"

    edited = chat_pb2.SendMessageRequest(
        conversation_id=conversation_id,
        message=chat_pb2.UserMessage(text="uno", replaces_message_id=first.messages[0].id),
    )
    async for _ in ana.chat.SendMessage(edited, metadata=ana.metadata, timeout=20):
        pass
    assert (await get(ana, conversation_id)).summary == ""
    for word in ("dos", "tres"):
        await ask(ana, word, conversation_id)
    assert "earlier_conversation" not in model.answers[-1].system
    await idle(postgres)
    await ask(ana, "cuatro", conversation_id)
    told = model.answers[-1].system.partition("<earlier_conversation>\n")[2].partition("\n")[0]
    (own,) = [each for number, each in enumerate(model.summaries, 1) if f"Summary {number}" == told]
    assert "User: uno" in own.messages[-1].content
    assert "User: one" not in own.messages[-1].content

    await ana.conversations.SelectBranch(
        conversation_pb2.SelectBranchRequest(conversation_id=conversation_id, message_id=first.messages[0].id),
        metadata=ana.metadata,
    )
    assert (await get(ana, conversation_id)).summary == newest


async def test_the_last_try_does_without_the_provider(
    working: Server, postgres: TestPostgres, model: Model, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deskwire_server.jobs.models.random.uniform", lambda *_: 0.001)
    ana = working.client(tenant=tenant)
    conversation_id = await talk(ana, ["How do I export?"])
    await idle(postgres)
    model.failures = 10**6
    await ask(ana, "And as PDF?", conversation_id)
    found = await become(ana, conversation_id, lambda found: found.summary != "")
    assert found.summary == "- How do I export? → Answer to How do I export?"
