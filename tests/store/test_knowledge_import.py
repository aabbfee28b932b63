"""Imports on a real Postgres: outcomes, bad documents, an embedder that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from deskwire_server.errors import PermissionDenied
from deskwire_server.knowledge.models import ArticlePatch, ImportOutcome, SearchQuery
from deskwire_server.knowledge.parse import Document
from tests.store.test_knowledge import assert_counts
from tests.support.knowledge import Knowledge, knowledge_on, stream
from tests.support.postgres import TestPostgres

_IDLE = """
    SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
    AND usename = current_user AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def knowledge(postgres: TestPostgres) -> AsyncIterator[Knowledge]:
    async with knowledge_on(postgres) as ready:
        yield ready


async def test_outcomes(knowledge: Knowledge) -> None:
    first = await knowledge.load(("g/a.md", "# A\n\nFunnels."), ("b.md", "# B\n\nGoals."))
    assert [result.outcome for result in first] == [ImportOutcome.CREATED] * 2
    again = await knowledge.load(
        ("g/a.md", "# A\n\nFunnels."), ("b.md", "# B\n\nOther goals."), ("c.md", "# C\n\nNew.")
    )
    assert [result.outcome for result in again] == [
        ImportOutcome.UNCHANGED, ImportOutcome.UPDATED, ImportOutcome.CREATED,
    ]  # fmt: skip
    assert [result.article_id for result in again[:2]] == [result.article_id for result in first]
    assert again[0].passage_count == 1
    article = await knowledge.service.get_article(knowledge.user, first[0].article_id or first[1].article_id)  # type: ignore[arg-type]
    assert (article.source_path, article.category, article.title, article.content) == ("g/a.md", "g", "A", "Funnels.")
    await assert_counts(knowledge)


async def test_a_bad_document_never_stops_the_rest(knowledge: Knowledge) -> None:
    documents = [
        Document("good-1.md", b"Fine."),
        Document("empty.md", b""),
        Document("binary.md", b"a\0b"),
        Document("latin.md", b"caf\xe9"),
        Document("page.html", b"%PDF-1.4"),
        Document("sheet.xlsx", b"PK"),
        Document("../up.md", b"Text."),
        Document("", b"Text."),
        Document("good-2.md", b"---\ntitle: [\n---\nAlso fine."),
    ]
    results = [one async for one in knowledge.service.import_documents(knowledge.admin, stream(documents))]
    assert [result.source_path for result in results] == [document.source_path for document in documents]
    assert [result.reason for result in results] == [
        "", "DOCUMENT_EMPTY", "DOCUMENT_UNREADABLE", "DOCUMENT_UNREADABLE", "DOCUMENT_UNREADABLE",
        "DOCUMENT_TYPE_UNSUPPORTED", "INVALID_FIELD", "INVALID_FIELD", "",
    ]  # fmt: skip
    assert all(result.message for result in results if result.outcome is ImportOutcome.FAILED)
    assert results[-1].warnings
    assert (await knowledge.service.list_articles(knowledge.user)).total_count == 2


async def test_what_is_given_out_can_be_found(knowledge: Knowledge) -> None:
    documents = (Document(f"{index}.md", f"# Title {index}\n\nunique{index} words".encode()) for index in range(40))
    async for result in knowledge.service.import_documents(knowledge.admin, stream(documents)):
        number = result.source_path.removesuffix(".md")
        found = await knowledge.service.search(knowledge.user, SearchQuery(f"unique{number}"))
        assert found.hits[0].article.source_path == result.source_path
    await assert_counts(knowledge)


async def test_the_same_path_twice_in_one_import(knowledge: Knowledge) -> None:
    results = await knowledge.load(("a.md", "First."), ("./a.md", "Second."), ("a.md", "Second."))
    assert [result.outcome for result in results] == [
        ImportOutcome.CREATED, ImportOutcome.UPDATED, ImportOutcome.UNCHANGED,
    ]  # fmt: skip
    assert len({result.article_id for result in results}) == 1


async def test_embeds_across_documents(knowledge: Knowledge) -> None:
    await knowledge.load(*((f"{index}.md", f"# T{index}\n\nText {index} here now.") for index in range(10)))
    assert len(knowledge.embedder.calls) == 1


async def test_goes_on_while_the_embedder_is_away(knowledge: Knowledge) -> None:
    knowledge.embedder.away = True
    [result] = await knowledge.load(("a.md", "# Funnels\n\nCount the steps."))
    assert (result.outcome, result.pending) == (ImportOutcome.CREATED, 1)
    found = await knowledge.service.search(knowledge.user, SearchQuery("funnel steps"))
    assert found.degraded
    assert [hit.article.title for hit in found.hits] == ["Funnels"]
    assert 0 < found.hits[0].relevance <= 1

    knowledge.embedder.away = False
    assert await knowledge.service.embed_pending(knowledge.admin.tenant_id) == 1
    assert await knowledge.service.embed_pending(knowledge.admin.tenant_id) == 0
    found = await knowledge.service.search(knowledge.user, SearchQuery("funnel steps"))
    assert not found.degraded
    assert found.hits[0].relevance > 0.5


async def test_the_next_import_catches_up(knowledge: Knowledge) -> None:
    knowledge.embedder.away = True
    await knowledge.load(("a.md", "Text."))
    knowledge.embedder.away = False
    [result] = await knowledge.load(("a.md", "Text."))
    assert result.outcome is ImportOutcome.UNCHANGED
    assert await knowledge.service.embed_pending(knowledge.admin.tenant_id) == 0


async def test_an_edit_by_hand_outlives_an_unchanged_document(knowledge: Knowledge) -> None:
    [first] = await knowledge.load(("a.md", "# A\n\nText."))
    assert first.article_id is not None
    await knowledge.service.update_article(knowledge.admin, first.article_id, ArticlePatch(content="Edited."))
    [again] = await knowledge.load(("a.md", "# A\n\nText."))
    assert again.outcome is ImportOutcome.UNCHANGED
    assert (await knowledge.service.get_article(knowledge.user, first.article_id)).content == "Edited."


async def test_concurrent_imports_of_one_tenant(knowledge: Knowledge) -> None:
    groups = [
        [(f"{group}-{index}.md", f"Words {index} shared group{group}.") for index in range(20)] for group in range(3)
    ]
    results = await asyncio.gather(*(knowledge.load(*group) for group in groups))
    assert all(result.outcome is ImportOutcome.CREATED for group in results for result in group)
    await assert_counts(knowledge)


async def test_no_transaction_stays_open_while_a_result_is_out(knowledge: Knowledge) -> None:
    documents = (Document(f"{index}.md", b"Text.") for index in range(40))
    results = knowledge.service.import_documents(knowledge.admin, stream(documents))
    await anext(results)
    async with knowledge.database.transaction(knowledge.admin.tenant_id) as connection:
        open_ones = await connection.execute(text(_IDLE))
        assert open_ones.scalar_one() == 0
    await results.aclose()


async def test_users_are_refused_at_once(knowledge: Knowledge) -> None:
    with pytest.raises(PermissionDenied):
        knowledge.service.import_documents(knowledge.user, stream([]))


async def test_without_an_embedder(postgres: TestPostgres) -> None:
    async with knowledge_on(postgres, with_embedder=False) as knowledge:
        [result] = await knowledge.load(("a.md", "# Funnels\n\nCount the steps."))
        assert result.outcome is ImportOutcome.CREATED
        found = await knowledge.service.search(knowledge.user, SearchQuery("funnels"))
        assert [hit.article.title for hit in found.hits] == ["Funnels"]
