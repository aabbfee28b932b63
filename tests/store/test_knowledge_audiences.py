"""Audiences of articles: who finds, reads and is answered from what, and that nothing else tells of the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.errors import InvalidArgument, NotFound
from deskwire_server.knowledge import search_store
from deskwire_server.knowledge.audience import EVERYBODY, Audience, Reader
from deskwire_server.knowledge.models import Article, ArticleDraft, ArticlePatch, SearchFilter, SearchQuery
from deskwire_server.knowledge.parse import Document
from tests.support.knowledge import Knowledge, knowledge_on, stream
from tests.support.postgres import TestPostgres

AUDIENCES = {
    "all": EVERYBODY,
    "agents": Audience(roles=("agent",)),
    "pro": Audience(plans=("pro", "enterprise")),
    "german": Audience(languages=("de",)),
    "pro users": Audience(roles=("user",), plans=("pro",)),
}


@pytest.fixture
async def knowledge(postgres: TestPostgres) -> AsyncIterator[Knowledge]:
    async with knowledge_on(postgres) as ready:
        for name, audience in AUDIENCES.items():
            text = f"Refunds take five days. This is what {name} read about refunds."
            await ready.service.create_article(ready.admin, ArticleDraft(name, text, language="en", audience=audience))
        yield ready


def _callers(knowledge: Knowledge) -> dict[str, tuple[Caller, set[str]]]:
    user = knowledge.user
    everything = set(AUDIENCES)
    return {
        "user": (user, {"all", "german"}),
        "user of a plan": (replace(user, plan="pro"), {"all", "pro", "german", "pro users"}),
        "user of another plan": (replace(user, plan="free"), {"all", "german"}),
        "user who reads German": (replace(user, languages=("de-AT",)), {"all", "german"}),
        "user who reads French": (replace(user, languages=("fr",)), {"all"}),
        "agent": (replace(user, role=Role.AGENT), {"all", "agents", "pro", "german"}),
        "admin": (knowledge.admin, everything),
        "service": (replace(user, role=Role.SERVICE), everything),
        "service for a user": (
            replace(user, role=Role.SERVICE).acting_for("ben", field="user"), {"all", "german"},
        ),
    }  # fmt: skip


NAMES = (
    "user", "user of a plan", "user of another plan", "user who reads German", "user who reads French", "agent",
    "admin", "service", "service for a user",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
async def test_everything_agrees_on_who_reads_what(knowledge: Knowledge, name: str) -> None:
    caller, expected = _callers(knowledge)[name]
    found = await knowledge.service.search(caller, SearchQuery("refunds"))
    assert {hit.article.title for hit in found.hits} == expected
    assert found.total_count == len(expected)
    filtered = await knowledge.service.search(caller, SearchQuery("refunds", filter=SearchFilter(category="")))
    assert filtered.total_count == len(expected)
    page = await knowledge.service.list_articles(caller, limit=2)
    assert page.total_count == len(expected)
    passages = await knowledge.service.passages(
        caller.tenant_id, "How long do refunds take?", limit=20, reader=Reader.of(caller)
    )
    assert {passage.title for passage in passages} == expected
    for article in (await knowledge.service.list_articles(knowledge.admin)).articles:
        if article.title in expected:
            assert (await knowledge.service.get_article(caller, article.id)).title == article.title
        else:
            with pytest.raises(NotFound) as missing:
                await knowledge.service.get_article(caller, article.id)
            with pytest.raises(NotFound) as never:
                await knowledge.service.get_article(caller, UUID(int=0))
            assert (missing.value.message, missing.value.metadata) == (never.value.message, never.value.metadata)


@pytest.mark.parametrize("name", ["user", "user of a plan", "agent"])
async def test_a_filter_and_an_audience_hold_together(knowledge: Knowledge, name: str) -> None:
    caller, expected = _callers(knowledge)[name]
    for article in (await knowledge.service.list_articles(knowledge.admin)).articles:
        await knowledge.service.update_article(knowledge.admin, article.id, ArticlePatch(category="money"))
    query = SearchQuery("refunds", filter=SearchFilter(category="money"))
    assert {hit.article.title for hit in (await knowledge.service.search(caller, query)).hits} == expected


async def test_without_vectors_audiences_hold_as_well(knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    knowledge.embedder.away = True
    monkeypatch.setattr(search_store, "CANDIDATES", 1)
    found = await knowledge.service.search(knowledge.user, SearchQuery("refunds"))
    assert {hit.article.title for hit in found.hits} <= {"all", "german"}
    assert found.hits


async def test_a_plan_in_the_profile_widens_nothing() -> None:
    kept = Reader.of(Caller(UUID(int=1), "t", "ana", Role.USER, plan="free")).as_json()
    assert Reader.from_json(kept) == Reader("user", "free")
    assert Reader.from_json(None) == Reader()
    assert not Reader.from_json({}).sees_all


async def test_an_audience_is_changed_and_taken_away(knowledge: Knowledge) -> None:
    article = await _by_title(knowledge, "agents")
    changed = await knowledge.service.update_article(
        knowledge.admin, article.id, ArticlePatch(audience=Audience.of(("user", "agent"), (), ("DE",)))
    )
    assert changed.audience == Audience(("user", "agent"), (), ("de",))
    assert changed.version == article.version + 1
    await knowledge.service.update_article(knowledge.admin, article.id, ArticlePatch(audience=EVERYBODY))
    assert (await knowledge.service.get_article(knowledge.user, article.id)).audience == EVERYBODY


async def test_an_edit_of_the_text_keeps_the_audience(knowledge: Knowledge) -> None:
    article = await _by_title(knowledge, "agents")
    await knowledge.service.update_article(knowledge.admin, article.id, ArticlePatch(content="Refunds take six days."))
    with pytest.raises(NotFound):
        await knowledge.service.get_article(knowledge.user, article.id)


async def test_an_import_sets_an_audience_and_never_drops_one(knowledge: Knowledge) -> None:
    async def load(text: str, audience: Audience | None) -> None:
        document = Document("inside.md", text.encode(), audience=audience)
        _ = [each async for each in knowledge.service.import_documents(knowledge.admin, stream([document]))]

    await load("# Inside\n\nMargins are thirty per cent.", Audience(roles=("agent",)))
    assert (await _by_title(knowledge, "Inside")).audience == Audience(roles=("agent",))
    await load("# Inside\n\nMargins are forty per cent.", None)
    assert (await _by_title(knowledge, "Inside")).audience == Audience(roles=("agent",))
    assert not (await knowledge.service.search(knowledge.user, SearchQuery("margins per cent", min_relevance=0.3))).hits
    await load("# Inside\n\nMargins are forty per cent.", EVERYBODY)
    assert (await _by_title(knowledge, "Inside")).audience == EVERYBODY


async def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        Audience.of(("owner",), (), ())


async def _by_title(knowledge: Knowledge, title: str) -> Article:
    page = await knowledge.service.list_articles(knowledge.admin, query=title)
    return next(article for article in page.articles if article.title == title)
