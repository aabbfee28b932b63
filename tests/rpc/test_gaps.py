"""Questions without an answer become gaps, and articles close them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import grpc
import numpy as np
import pytest
from deskwire.v1 import chat_pb2, gap_pb2, gap_pb2_grpc, knowledge_pb2

from deskwire_server.db.engine import Database
from deskwire_server.gaps.collecting import GapCollector
from deskwire_server.knowledge.service import KnowledgeService
from tests.support.postgres import TestPostgres
from tests.support.server import Client, Server, make_settings, new_tenant, running_server

OPEN, CLOSED = gap_pb2.KNOWLEDGE_GAP_STATUS_OPEN, gap_pb2.KNOWLEDGE_GAP_STATUS_CLOSED
TOPICS = ("parking", "visit", "lunch")


class TopicEmbedder:
    """Texts that name the same topic are alike, all others are not."""

    name = "topics"
    dimensions = 8

    async def embed(self, texts: Sequence[str], *, purpose: str) -> Any:
        rows = []
        for number, text in enumerate(texts):
            row = np.zeros(self.dimensions, dtype=np.float32)
            topic = next((index for index, word in enumerate(TOPICS) if word in text.lower()), None)
            row[topic if topic is not None else 3 + number % 5] = 1.0
            rows.append(row)
        return np.stack(rows)


@pytest.fixture
async def server(postgres: TestPostgres) -> AsyncIterator[Server]:
    async with running_server(make_settings(postgres)) as running:
        yield running


@pytest.fixture
async def database(postgres: TestPostgres) -> AsyncIterator[Database]:
    opened = Database(postgres.app_url)
    yield opened
    await opened.close()


class Desk:
    """A tenant with people who ask and an administrator, and the collector that looks after it."""

    def __init__(self, server: Server, database: Database, embedder: TopicEmbedder | None = None) -> None:
        self._server, self._database = server, database
        self.tenant = new_tenant()
        self.admin = server.client(tenant=self.tenant, role="admin")
        self._embedder = embedder

    async def ask(self, text: str, user: str = "ana") -> chat_pb2.ChatResponse:
        client = self._server.client(tenant=self.tenant, user=user)
        request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=text))
        return await client.chat.Chat(request, metadata=client.metadata)

    async def collect(self) -> None:
        row = await self._database.fetchrow("SELECT id FROM tenant_find($1)", self.tenant)
        assert row is not None
        tenant_id = UUID(str(row["id"]))
        knowledge = KnowledgeService(self._database, None)
        collector = GapCollector(self._database, knowledge, self._embedder, lambda: [tenant_id])  # type: ignore[arg-type]
        await collector.step()

    async def gaps(self, status: Any = OPEN, **fields: Any) -> list[gap_pb2.KnowledgeGap]:
        request = gap_pb2.ListKnowledgeGapsRequest(status=status, **fields)
        return list((await stub(self.admin).ListKnowledgeGaps(request, metadata=self.admin.metadata)).gaps)

    async def write(self, title: str, content: str) -> str:
        article = knowledge_pb2.Article(title=title, content=content)
        made = await self.admin.knowledge.CreateArticle(
            knowledge_pb2.CreateArticleRequest(article=article), metadata=self.admin.metadata
        )
        return made.article.id


def stub(client: Client) -> gap_pb2_grpc.KnowledgeGapServiceAsyncStub:
    return gap_pb2_grpc.KnowledgeGapServiceStub(client.channel)


async def test_questions_that_ask_for_the_same_are_one_gap(server: Server, database: Database) -> None:
    desk = Desk(server, database, TopicEmbedder())
    await desk.ask("Is there parking at your office?")
    await desk.ask("Where do I find parking for a van?", user="ben")
    asked = await desk.ask("Is there parking at your office?")
    await desk.ask("What is for lunch on Fridays?")
    await desk.collect()
    await desk.collect()
    first, second = await desk.gaps()
    assert (first.question, first.question_count, first.user_count) == ("Is there parking at your office?", 3, 2)
    assert (second.question, second.question_count) == ("What is for lunch on Fridays?", 1)
    found = await stub(desk.admin).GetKnowledgeGap(
        gap_pb2.GetKnowledgeGapRequest(gap_id=first.id), metadata=desk.admin.metadata
    )
    assert found.gap.questions[0].text == "Is there parking at your office?"
    assert found.gap.questions[0].conversation_id == asked.conversation_id
    assert found.gap.questions[0].answer_message_id == asked.message.id


async def test_without_an_embedder_equal_questions_are_one_gap(server: Server, database: Database) -> None:
    desk = Desk(server, database)
    for text in ("Is there  parking?", "is there parking", "May I visit you?"):
        await desk.ask(text)
    await desk.collect()
    assert [(gap.question, gap.question_count) for gap in await desk.gaps()] == [
        ("Is there parking?", 2), ("May I visit you?", 1),
    ]  # fmt: skip


async def test_small_talk_and_answered_questions_are_none(server: Server, database: Database) -> None:
    desk = Desk(server, database)
    await desk.write("Parking", "There is parking for visitors behind the house. Parking is free for two hours.")
    answered = await desk.ask("Where is parking for visitors?")
    assert answered.message.answer.grounded
    await desk.ask("Hello!")
    await desk.collect()
    assert await desk.gaps() == []


@pytest.mark.parametrize(
    "made_up", ["How many quokkas may one workspace adopt?", "halibut sauce", "Do you sell halibut?"]
)
async def test_made_up_things_in_known_surroundings_are_gaps(server: Server, database: Database, made_up: str) -> None:
    desk = Desk(server, database)
    await desk.write("Limits of a workspace", "One workspace may have 20 seats. A workspace may send 500 mails a day.")
    await desk.write("Calls", "Your workspace may make 120 calls a minute. The sauce code of a call is kept for a day.")
    assert not (await desk.ask(made_up)).message.answer.grounded
    assert (await desk.ask("How many seats may one workspace have?")).message.answer.grounded
    await desk.collect()
    assert [gap.question for gap in await desk.gaps()] == [made_up]


async def test_a_new_article_closes_its_gap_and_a_later_question_opens_it(server: Server, database: Database) -> None:
    desk = Desk(server, database)
    await desk.write("Lunch", "Lunch is served at noon.")
    await desk.ask("Where is parking for visitors?")
    await desk.collect()
    assert len(await desk.gaps()) == 1
    article_id = await desk.write(
        "Parking for visitors", "There is parking for visitors behind the house. Parking is free for two hours."
    )
    await desk.collect()
    assert await desk.gaps() == []
    [closed] = await desk.gaps(CLOSED)
    assert (closed.article_id, closed.HasField("close_time")) == (article_id, True)
    # Gone again, and asked again: the gap is back.
    await desk.admin.knowledge.DeleteArticle(
        knowledge_pb2.DeleteArticleRequest(article_id=article_id), metadata=desk.admin.metadata
    )
    await desk.ask("Where is parking for visitors?")
    await desk.collect()
    [opened] = await desk.gaps()
    assert (opened.id, opened.question_count, opened.article_id) == (closed.id, 2, "")


async def test_closing_and_opening_by_hand(server: Server, database: Database) -> None:
    desk = Desk(server, database)
    await desk.ask("Where is parking for visitors?")
    await desk.collect()
    [gap] = await desk.gaps()
    admin = desk.admin
    close = gap_pb2.CloseKnowledgeGapRequest(gap_id=gap.id, request_id="once")
    for _ in range(2):
        closed = (await stub(admin).CloseKnowledgeGap(close, metadata=admin.metadata)).gap
        assert (closed.status, closed.article_id) == (CLOSED, "")
    missing = gap_pb2.CloseKnowledgeGapRequest(gap_id=gap.id, article_id=str(uuid4()))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub(admin).CloseKnowledgeGap(missing, metadata=admin.metadata)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    reopen = gap_pb2.ReopenKnowledgeGapRequest(gap_id=gap.id)
    assert (await stub(admin).ReopenKnowledgeGap(reopen, metadata=admin.metadata)).gap.status == OPEN
    await desk.collect()
    assert len(await desk.gaps()) == 1


async def test_pages_of_gaps(server: Server, database: Database) -> None:
    desk = Desk(server, database)
    for topic, times in (("parking", 3), ("lunch", 2), ("visits", 2), ("music", 1)):
        for _ in range(times):
            await desk.ask(f"Tell me about {topic} please")
    await desk.collect()
    seen: list[int] = []
    token = ""
    while True:
        request = gap_pb2.ListKnowledgeGapsRequest(page_size=1, page_token=token)
        page = await stub(desk.admin).ListKnowledgeGaps(request, metadata=desk.admin.metadata)
        seen.extend(gap.question_count for gap in page.gaps)
        token = page.next_page_token
        if not token:
            break
    assert seen == [3, 2, 2, 1]
