"""Articles on a real Postgres: create, read, list, update, delete, and the counts that search rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text

from deskwire_server.auth.caller import Role
from deskwire_server.errors import Aborted, AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from deskwire_server.knowledge.models import ArticleDraft, ArticlePatch, SearchQuery
from tests.support.knowledge import Knowledge, knowledge_on, new_admin
from tests.support.postgres import TestPostgres

TABLES = ("articles", "chunks", "embeddings", "article_embeddings", "knowledge_terms", "knowledge_stats")


@pytest.fixture
async def knowledge(postgres: TestPostgres) -> AsyncIterator[Knowledge]:
    async with knowledge_on(postgres) as ready:
        yield ready


async def _paths(knowledge: Knowledge, query: str) -> list[str]:
    found = await knowledge.service.search(knowledge.user, SearchQuery(query))
    return [hit.article.title for hit in found.hits]


async def _rows(knowledge: Knowledge, statement: str) -> list[tuple[object, ...]]:
    async with knowledge.database.transaction(knowledge.admin.tenant_id) as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def assert_counts(knowledge: Knowledge) -> None:
    """What is counted of words agrees with the passages that are there."""
    rows = await _rows(knowledge, "SELECT tsvector_to_array(search), length FROM chunks")
    terms = Counter(term for lexemes, _ in rows for term in lexemes)  # type: ignore[attr-defined]
    counted = {row[0]: row[1] for row in await _rows(knowledge, "SELECT term, chunks FROM knowledge_terms")}
    assert counted == dict(terms)
    [(chunks, length)] = await _rows(knowledge, "SELECT chunks, length FROM knowledge_stats")
    assert chunks == len(rows)
    assert length == pytest.approx(sum(float(str(row[1])) for row in rows))


async def test_life_of_an_article(knowledge: Knowledge) -> None:
    service, admin = knowledge.service, knowledge.admin
    draft = ArticleDraft("Paying  invoices", "Open <b>Billing</b> and pay.\n\n<script>x</script>", tags=("pay", "pay"))
    made = await service.create_article(admin, draft)
    assert (made.title, made.content, made.tags) == ("Paying invoices", "Open **Billing** and pay.", ("pay",))
    assert (made.etag, made.passage_count, made.source_path) == ("1", 1, "")
    assert await service.get_article(knowledge.user, made.id) == made
    assert await _paths(knowledge, "billing") == ["Paying invoices"]
    await assert_counts(knowledge)

    changed = await service.update_article(admin, made.id, ArticlePatch(content="Wire the money."), etag="1")
    assert (changed.etag, changed.title, changed.content) == ("2", "Paying invoices", "Wire the money.")
    assert await _paths(knowledge, "wire money") == ["Paying invoices"]
    await assert_counts(knowledge)

    moved = await service.update_article(admin, made.id, ArticlePatch(category="billing", tags=("a", "b")), etag="2")
    assert (moved.etag, moved.category, moved.tags, moved.changed_at) == (
        "3",
        "billing",
        ("a", "b"),
        changed.changed_at,
    )
    same = await service.update_article(admin, made.id, ArticlePatch(category="billing"))
    assert same.etag == "3"

    await service.delete_article(admin, made.id, etag="3")
    with pytest.raises(NotFound):
        await service.get_article(admin, made.id)
    for table in TABLES[:-1]:
        assert await _rows(knowledge, f"SELECT * FROM {table}") == []
    await assert_counts(knowledge)


async def test_stale_etags_are_refused(knowledge: Knowledge) -> None:
    service, admin = knowledge.service, knowledge.admin
    made = await service.create_article(admin, ArticleDraft("A", "Some text."))
    await service.update_article(admin, made.id, ArticlePatch(title="B"))
    with pytest.raises(Aborted):
        await service.update_article(admin, made.id, ArticlePatch(title="C"), etag="1")
    with pytest.raises(Aborted):
        await service.delete_article(admin, made.id, etag="1")
    first = await service.prepare_update(admin, made.id, ArticlePatch(title="D"))
    await service.update_article(admin, made.id, ArticlePatch(title="E"))
    async with knowledge.database.transaction(admin.tenant_id) as connection:
        with pytest.raises(Aborted):
            await service.update_in(connection, admin, made.id, first)


@pytest.mark.parametrize(
    "draft",
    [
        ArticleDraft(" ", "text"),
        ArticleDraft("T", "<script>only</script>"),
        ArticleDraft("T", "nul \0"),
        ArticleDraft("T\0", "text"),
        ArticleDraft("T", "text", url="\0"),
    ],
)
async def test_bad_articles_are_refused(knowledge: Knowledge, draft: ArticleDraft) -> None:
    with pytest.raises(InvalidArgument):
        await knowledge.service.create_article(knowledge.admin, draft)


async def test_a_source_path_is_taken_once(knowledge: Knowledge) -> None:
    await knowledge.service.create_article(knowledge.admin, ArticleDraft("A", "text", source_path="a.md"))
    with pytest.raises(AlreadyExists):
        await knowledge.service.create_article(knowledge.admin, ArticleDraft("B", "text", source_path="a.md"))
    await knowledge.service.create_article(knowledge.admin, ArticleDraft("C", "text"))
    await knowledge.service.create_article(knowledge.admin, ArticleDraft("D", "text"))


async def test_lists_by_title_in_pages(knowledge: Knowledge) -> None:
    await knowledge.load(
        *((f"{name}.md", f"---\ntitle: {name}\n---\nText.") for name in ("b", "A", "c", "a", "50%_off"))
    )
    seen, after = [], None
    while True:
        page = await knowledge.service.list_articles(knowledge.user, after=after, limit=2)
        assert page.total_count == 5
        seen += [article.title for article in page.articles]
        assert all(article.content == "" for article in page.articles)
        if page.next is None:
            break
        after = page.next
    assert sorted(seen[1:3]) == ["A", "a"]
    assert (seen[0], seen[3:]) == ("50%_off", ["b", "c"])
    found = await knowledge.service.list_articles(knowledge.user, query="%_")
    assert [article.title for article in found.articles] == ["50%_off"]


async def test_users_may_read_only(knowledge: Knowledge) -> None:
    made = await knowledge.service.create_article(knowledge.admin, ArticleDraft("A", "text"))
    for role in (Role.USER, Role.AGENT):
        caller = replace(knowledge.admin, role=role)
        await knowledge.service.get_article(caller, made.id)
        with pytest.raises(PermissionDenied):
            await knowledge.service.create_article(caller, ArticleDraft("B", "text"))
        with pytest.raises(PermissionDenied):
            await knowledge.service.update_article(caller, made.id, ArticlePatch(title="B"))
        with pytest.raises(PermissionDenied):
            await knowledge.service.delete_article(caller, made.id)
        with pytest.raises(PermissionDenied):
            await knowledge.load(("a.md", "text"), caller=caller)


async def test_another_tenant_sees_nothing(knowledge: Knowledge, postgres: TestPostgres) -> None:
    made = await knowledge.service.create_article(knowledge.admin, ArticleDraft("Secret plans", "Launch in May."))
    stranger = await new_admin(postgres)
    service = knowledge.service
    with pytest.raises(NotFound) as missed:
        await service.get_article(stranger, made.id)
    with pytest.raises(NotFound) as never:
        await service.get_article(stranger, uuid4())
    assert (missed.value.message, missed.value.metadata) == (never.value.message, never.value.metadata)
    with pytest.raises(NotFound):
        await service.update_article(stranger, made.id, ArticlePatch(title="Mine"))
    with pytest.raises(NotFound):
        await service.delete_article(stranger, made.id)
    assert (await service.search(stranger, SearchQuery("secret plans launch"))).hits == ()
    assert await service.passages(stranger.tenant_id, "secret plans launch") == ()
    assert (await service.list_articles(stranger)).total_count == 0
    async with knowledge.database.transaction(stranger.tenant_id) as connection:
        for table in TABLES:
            assert (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0


async def test_without_a_tenant_nothing_is_seen_or_written(knowledge: Knowledge) -> None:
    await knowledge.service.create_article(knowledge.admin, ArticleDraft("A", "text"))
    async with knowledge.database.engine.begin() as connection:
        for table in TABLES:
            assert (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0


async def test_deleting_one_article_leaves_the_others(knowledge: Knowledge) -> None:
    first = await knowledge.service.create_article(knowledge.admin, ArticleDraft("A", "Shared words and funnels."))
    await knowledge.service.create_article(knowledge.admin, ArticleDraft("B", "Shared words and goals."))
    await knowledge.service.delete_article(knowledge.admin, first.id)
    await assert_counts(knowledge)
    assert await _paths(knowledge, "shared words") == ["B"]
