"""The names that a worker knows of each tenant: from its articles and its settings, its own alone, soon renewed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest

from deskwire_server.db.engine import Database
from deskwire_server.knowledge import tenant_names
from deskwire_server.knowledge.audience import Audience
from deskwire_server.knowledge.models import ArticleDraft, ArticlePatch
from deskwire_server.knowledge.tenant_names import TenantNames
from tests.support.knowledge import Knowledge, knowledge_on, new_admin
from tests.support.loop_watch import watched_loop
from tests.support.postgres import TestPostgres


@pytest.fixture
async def knowledge(postgres: TestPostgres) -> AsyncIterator[Knowledge]:
    async with knowledge_on(postgres) as knowledge:
        yield knowledge


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once, and each is waited for."""
    monkeypatch.setattr(tenant_names, "_FRESH", 0.0)
    monkeypatch.setattr(tenant_names, "_SHARE", 0)
    monkeypatch.setattr(tenant_names, "_PATIENCE", 30.0)


async def found(names: TenantNames, tenant_id: UUID, text: str) -> list[tuple[str, str]]:
    return [(hit.entry.type, hit.entry.name) for hit in (await names.get(tenant_id)).find(text)]


async def test_they_follow_the_articles(knowledge: Knowledge) -> None:
    names, tenant_id = TenantNames(knowledge.database), knowledge.admin.tenant_id
    text = "my fluxomatic 3000 does not reach ParcelPilot or the Smart Inbox"
    assert await found(names, tenant_id, text) == []
    article = await knowledge.service.create_article(knowledge.admin, ArticleDraft("Fluxomatic 3000", "It hums."))
    assert await found(names, tenant_id, text) == [("product", "Fluxomatic 3000")]
    await knowledge.load(("p.md", "# Track parcels in ParcelPilot\n\nOpen it and track a parcel."))
    assert ("product", "ParcelPilot") in await found(names, tenant_id, text)
    other = await knowledge.service.create_article(knowledge.admin, ArticleDraft("Smart Inbox", "All of your mail."))
    assert ("product", "Smart Inbox") not in await found(names, tenant_id, text)
    await knowledge.service.update_article(knowledge.admin, other.id, ArticlePatch(category="products"))
    assert ("product", "Smart Inbox") in await found(names, tenant_id, text)
    await knowledge.service.update_article(knowledge.admin, article.id, ArticlePatch(title="Other things"))
    assert ("product", "Fluxomatic 3000") not in await found(names, tenant_id, text)
    await knowledge.service.delete_article(knowledge.admin, other.id)
    assert await found(names, tenant_id, text) == [("product", "ParcelPilot")]


async def test_they_are_the_tenant_s_own(knowledge: Knowledge, postgres: TestPostgres) -> None:
    names, stranger = TenantNames(knowledge.database), await new_admin(postgres)
    await knowledge.service.create_article(knowledge.admin, ArticleDraft("Fluxomatic 3000", "It hums."))
    assert await found(names, knowledge.admin.tenant_id, "Fluxomatic 3000")
    assert await found(names, stranger.tenant_id, "Fluxomatic 3000") == []


async def test_what_some_may_not_read_names_nothing(knowledge: Knowledge) -> None:
    names, tenant_id = TenantNames(knowledge.database), knowledge.admin.tenant_id
    for number, audience in enumerate((Audience(roles=("admin",)), Audience(plans=("enterprise",)))):
        draft = ArticleDraft(f"Secretron {number}00", "Not yet sold.", audience=audience)
        await knowledge.service.create_article(knowledge.admin, draft)
    assert len(await names.get(tenant_id)) == 0


async def test_names_that_a_tenant_gives_come_first(knowledge: Knowledge) -> None:
    given: dict[str, Any] = {"products": ["Pulse|the pulse app"], "integrations": ["Fluxomatic 3000"]}

    async def settings_of(_: UUID) -> dict[str, Any]:
        return given

    names, tenant_id = TenantNames(knowledge.database, settings_of), knowledge.admin.tenant_id
    await knowledge.service.create_article(knowledge.admin, ArticleDraft("Fluxomatic 3000", "It hums."))
    text = "pulse and fluxomatic-3000"
    assert await found(names, tenant_id, text) == [("product", "Pulse"), ("integration", "Fluxomatic 3000")]
    assert await found(names, tenant_id, "open the Pulse app") == [("product", "Pulse")]
    given.clear()
    assert await found(names, tenant_id, text) == [("product", "Fluxomatic 3000")]


async def test_they_stay_known_while_the_database_is_away(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = TenantNames(Database("postgresql://deskwire_app@127.0.0.1:1/none"))
    assert len(await away.get(knowledge.admin.tenant_id)) == 0
    names, tenant_id = TenantNames(knowledge.database), knowledge.admin.tenant_id
    await knowledge.service.create_article(knowledge.admin, ArticleDraft("Fluxomatic 3000", "It hums."))
    assert await found(names, tenant_id, "Fluxomatic 3000")
    monkeypatch.setattr(names, "_database", Database("postgresql://deskwire_app@127.0.0.1:1/none"))
    assert await found(names, tenant_id, "Fluxomatic 3000")


async def test_a_slow_look_is_not_waited_for(knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    names, tenant_id = TenantNames(knowledge.database), knowledge.admin.tenant_id
    await knowledge.service.create_article(knowledge.admin, ArticleDraft("Fluxomatic 3000", "It hums."))
    monkeypatch.setattr(tenant_names, "_PATIENCE", 0.01)
    go = asyncio.Event()
    read: Callable[..., Any] = names._read

    async def slowly(*given: Any) -> bool:
        await go.wait()
        return bool(await read(*given))

    monkeypatch.setattr(names, "_read", slowly)
    assert await asyncio.gather(*(found(names, tenant_id, "Fluxomatic 3000") for _ in range(3))) == [[], [], []]
    go.set()
    async with asyncio.timeout(10):
        while not await found(names, tenant_id, "Fluxomatic 3000"):
            await asyncio.sleep(0.01)


async def test_many_names_are_bounded_and_do_not_keep_the_loop(
    knowledge: Knowledge, postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, tenant_id = TenantNames(knowledge.database), knowledge.admin.tenant_id
    monkeypatch.setattr(tenant_names, "MOST_NAMES", 150)
    monkeypatch.setattr(tenant_names, "_MOST_KEPT", 200)
    await knowledge.load(*((f"{number}.md", f"# Fluxomatic {number}\n\nIt hums.\n") for number in range(1_000, 1_200)))
    await names.get(tenant_id)
    with watched_loop() as watch:
        await knowledge.load(("new.md", "# Fluxomatic 9\n\nIt hums."))
        assert len(await names.get(tenant_id)) == 150
    watch.check()
    assert await found(names, tenant_id, "Fluxomatic 9"), "the newest come first"
    stranger = await new_admin(postgres)
    await names.get(stranger.tenant_id)
    assert list(names._entries) == [stranger.tenant_id]
