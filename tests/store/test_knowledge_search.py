"""Search and passages on a real Postgres: filters, limits, offsets, slips, histories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from deskwire_server.knowledge.models import SearchFilter, SearchQuery
from tests.support.knowledge import Knowledge, knowledge_on
from tests.support.postgres import TestPostgres

DOCUMENTS = (
    (
        "billing/invoices.md",
        "---\ntitle: Invoices\ntags: [billing, pdf]\nupdated: 2026-01-10\n---\n"
        "Every invoice is a PDF.\n\n## Download an invoice\n\nOpen Billing, choose the month and click Download.\n\n"
        "## Change the address\n\nWrite to support with the new postal address for future invoices.",
    ),
    (
        "billing/refunds.md",
        "---\ntitle: Refunds\ntags: [billing]\nupdated: 2026-02-10\n---\nA refund takes five days to reach your card.",
    ),
    (
        "reports/funnels.md",
        "---\ntitle: Funnels\ntags: [reports]\nupdated: 2026-03-10\n---\n"
        "A funnel shows where visitors leave. It may have two to eight steps.\n\n"
        "## More steps\n\nSplit a funnel with more than eight steps into two funnels.",
    ),
)


@pytest.fixture
async def knowledge(postgres: TestPostgres) -> AsyncIterator[Knowledge]:
    async with knowledge_on(postgres) as ready:
        await ready.load(*DOCUMENTS)
        yield ready


async def _found(knowledge: Knowledge, text: str, **restrict: object) -> list[str]:
    query = SearchQuery(text, filter=SearchFilter(**restrict))  # type: ignore[arg-type]
    return [hit.article.source_path for hit in (await knowledge.service.search(knowledge.user, query)).hits]


async def test_best_first_with_passages(knowledge: Knowledge) -> None:
    results = await knowledge.service.search(knowledge.user, SearchQuery("How do I download an invoice?"))
    best = results.hits[0]
    assert best.article.source_path == "billing/invoices.md"
    assert best.article.content == ""
    assert best.article.changed_at == datetime(2026, 1, 10, tzinfo=UTC)
    assert best.relevance > 0.5
    assert best.relevance >= results.hits[-1].relevance
    assert "click Download" in best.passages[0].snippet
    assert results.total_count == len(results.hits)
    assert 0 < results.search_time < 10
    content = (await knowledge.service.get_article(knowledge.user, best.article.id)).content
    for passage in best.passages:
        assert content[passage.start : passage.end] == passage.text


async def test_limit_and_least_relevance(knowledge: Knowledge) -> None:
    query = SearchQuery("invoice refund funnel", limit=1)
    results = await knowledge.service.search(knowledge.user, query)
    assert len(results.hits) == 1
    assert results.total_count == 3
    strict = await knowledge.service.search(knowledge.user, SearchQuery("download an invoice", min_relevance=0.5))
    assert [hit.article.title for hit in strict.hits] == ["Invoices"]
    assert strict.total_count == 1


async def test_filters(knowledge: Knowledge) -> None:
    text = "invoice refund funnel"
    assert set(await _found(knowledge, text, category="billing")) == {"billing/invoices.md", "billing/refunds.md"}
    assert await _found(knowledge, text, tags=("pdf", "reports")) != []
    assert set(await _found(knowledge, text, tags=("pdf", "reports"))) == {"billing/invoices.md", "reports/funnels.md"}
    start, end = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    assert await _found(knowledge, text, changed_from=start, changed_before=end) == ["billing/refunds.md"]
    assert await _found(knowledge, text, category="none") == []


async def test_slips_are_corrected(knowledge: Knowledge) -> None:
    assert (await _found(knowledge, "how do i dowload an invioce"))[0] == "billing/invoices.md"


async def test_context_terms_break_a_tie(knowledge: Knowledge) -> None:
    for term, path in (("refund_card", "billing/refunds.md"), ("funnel-steps", "reports/funnels.md")):
        query = SearchQuery("how long does it take", context_terms=(term,))
        results = await knowledge.service.search(knowledge.user, query)
        assert results.hits[0].article.source_path == path


@pytest.mark.parametrize(
    "text", ["", "   ", "???", "'", "\\", "a' | b:*", "!(&)", "x" * 2000, "😀", "the of and", "\ufeff"]
)
async def test_odd_queries(knowledge: Knowledge, text: str) -> None:
    await knowledge.service.search(knowledge.user, SearchQuery(text, context_terms=("'", "a & b")))
    await knowledge.service.passages(knowledge.user.tenant_id, text, ["", "'"], 3)


async def test_passages_for_an_answer(knowledge: Knowledge) -> None:
    passages = await knowledge.service.passages(
        knowledge.user.tenant_id, "change the postal address of invoices", limit=3
    )
    assert [passage.number for passage in passages] == [1, 2, 3][: len(passages)]
    best = passages[0]
    assert (best.title, best.source_path) == ("Invoices", "billing/invoices.md")
    assert "postal address" in best.text
    content = (await knowledge.service.get_article(knowledge.user, UUID(best.article_id))).content
    assert content[best.start : best.end] == best.text
    assert all(0 <= passage.relevance <= 1 for passage in passages)


async def test_passages_use_the_history(knowledge: Knowledge) -> None:
    history = ["What is the maximum number of steps of a funnel?", "A funnel may have eight steps."]
    passages = await knowledge.service.passages(knowledge.user.tenant_id, "ours has eleven", history)
    assert passages[0].source_path == "reports/funnels.md"


async def test_an_empty_knowledge_base(postgres: TestPostgres) -> None:
    async with knowledge_on(postgres) as empty:
        results = await empty.service.search(empty.user, SearchQuery("anything"))
        assert (results.hits, results.total_count, results.degraded) == ((), 0, False)
        assert await empty.service.passages(empty.user.tenant_id, "anything") == ()
        assert empty.embedder.calls == []


async def test_other_languages_find_english_articles(knowledge: Knowledge) -> None:
    assert (await _found(knowledge, "Wo kann ich meine Rechnung herunterladen?"))[0] == "billing/invoices.md"
    history = ["Combien d'étapes dans un entonnoir ?", "Un entonnoir a huit étapes au plus."]
    passages = await knowledge.service.passages(knowledge.user.tenant_id, "Et si nous en avons onze ?", history)
    assert passages[0].source_path == "reports/funnels.md"


async def test_a_language_that_the_tenant_writes_is_left_alone(knowledge: Knowledge) -> None:
    await knowledge.load(
        ("de/rechnung.md", "---\ntitle: Rechnungen\nlang: de\n---\nRechnungen kannst du im Konto herunterladen.")
    )
    assert (await _found(knowledge, "Wo kann ich meine Rechnungen herunterladen?"))[0] == "de/rechnung.md"
