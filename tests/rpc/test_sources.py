"""Sites as sources of articles: brought in, kept in step, taken out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest
from deskwire.v1 import knowledge_pb2, source_pb2, source_pb2_grpc
from google.protobuf import duration_pb2, field_mask_pb2

from tests.rpc.refusals import Refusal, read_refusal
from tests.support.documents import pdf
from tests.support.postgres import TestPostgres
from tests.support.server import Client, Server, make_settings, new_tenant, running_server
from tests.support.site import Reply, Site, running_site
from tests.support.waiting import eventually

IDLE, FAILED = source_pb2.SOURCE_STATE_IDLE, source_pb2.SOURCE_STATE_FAILED


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running_site() as running:
        yield running


@pytest.fixture
async def server(postgres: TestPostgres) -> AsyncIterator[Server]:
    settings = make_settings(postgres, provider_allowed_nets=("127.0.0.0/8",), background_jobs=True)
    async with running_server(settings) as running:
        yield running


@pytest.fixture
def admin(server: Server) -> Client:
    return server.client(tenant=new_tenant(), role="admin")


async def refused(call: Awaitable[Any]) -> Refusal:
    """How a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return read_refusal(caught.value)


def stub(client: Client) -> source_pb2_grpc.SourceServiceAsyncStub:
    return source_pb2_grpc.SourceServiceStub(client.channel)


async def create(client: Client, site: Site, **fields: Any) -> source_pb2.Source:
    values = {"name": "help", "url": f"{site.base}/", **fields}
    request = source_pb2.CreateSourceRequest(source=source_pb2.Source(**values), request_id=str(uuid4()))
    return (await stub(client).CreateSource(request, metadata=client.metadata)).source


async def settled(client: Client, source_id: str) -> source_pb2.Source:
    """The source once nothing is left to do."""

    async def look() -> source_pb2.Source | None:
        request = source_pb2.GetSourceRequest(source_id=source_id)
        source = (await stub(client).GetSource(request, metadata=client.metadata)).source
        return source if source.state in (IDLE, FAILED) and source.last_sync.HasField("end_time") else None

    return await eventually(look)


async def again(client: Client, source_id: str, **fields: Any) -> source_pb2.Source:
    before = await settled(client, source_id)
    request = source_pb2.SyncSourceRequest(source_id=source_id, **fields)
    await stub(client).SyncSource(request, metadata=client.metadata)

    async def look() -> source_pb2.Source | None:
        source = await settled(client, source_id)
        return source if source.last_sync.start_time != before.last_sync.start_time else None

    return await eventually(look)


async def titles(client: Client) -> list[str]:
    found = await client.knowledge.ListArticles(knowledge_pb2.ListArticlesRequest(), metadata=client.metadata)
    return [article.title for article in found.articles]


async def outcomes(client: Client, source_id: str) -> dict[str, tuple[int, str]]:
    request = source_pb2.ListSourcePagesRequest(source_id=source_id)
    found = await stub(client).ListSourcePages(request, metadata=client.metadata)
    return {page.url.rsplit("/", 1)[-1]: (page.outcome, page.message) for page in found.pages}


def counts(source: source_pb2.Source) -> tuple[int, int, int, int, int, int]:
    report = source.last_sync
    return (
        report.created_count,
        report.updated_count,
        report.unchanged_count,
        report.removed_count,
        report.skipped_count,
        report.failed_count,
    )


async def test_a_site_becomes_articles_and_stays_in_step(admin: Client, site: Site) -> None:
    site.page("/refunds", "Refunds", "A refund takes five days.")
    site.page("/hours", "Opening hours", "We are open on Mondays.")
    site.sitemap("/refunds", "/hours")
    made = await create(admin, site, tags=["site"])
    assert made.state in (source_pb2.SOURCE_STATE_QUEUED, source_pb2.SOURCE_STATE_SYNCING, IDLE)

    source = await settled(admin, made.id)
    assert (counts(source), source.article_count, source.state) == ((2, 0, 0, 0, 0, 0), 2, IDLE)
    assert source.next_sync_time.seconds - source.last_sync.end_time.seconds == pytest.approx(86_400, abs=60)
    found = await admin.knowledge.SearchKnowledge(
        knowledge_pb2.SearchKnowledgeRequest(query="how long does a refund take"), metadata=admin.metadata
    )
    article = found.results[0].article
    assert (article.title, article.url, article.category, list(article.tags)) == (
        "Refunds", f"{site.base}/refunds", "help", ["site"],
    )  # fmt: skip

    # Nothing changed: every page says so itself, and nothing is written.
    assert counts(await again(admin, made.id)) == (0, 0, 2, 0, 0, 0)
    assert site.statuses("/refunds") == [200, 304]
    # One page changed, one came, one went.
    site.page("/refunds", "Refunds", "A refund takes six days.")
    site.page("/new", "New things", "Here is something new.")
    site.sitemap("/refunds", "/new")
    assert counts(await again(admin, made.id)) == (1, 1, 0, 1, 0, 0)
    assert await titles(admin) == ["New things", "Refunds"]
    # Gone by its own word, although the sitemap still lists it.
    site.replies["/new"] = Reply(status=410)
    assert counts(await again(admin, made.id)) == (0, 0, 1, 1, 0, 0)
    assert await titles(admin) == ["Refunds"]


async def test_what_is_not_taken(admin: Client, site: Site) -> None:
    site.robots("User-agent: *\nDisallow: /private\n")
    site.page("/private", "Private", "Nobody reads this.")
    site.page("/quiet", "Quiet", "Not for robots.", headers={"X-Robots-Tag": "noindex"})
    site.replies["/meta"] = Reply(
        b"<html><head><meta content='noindex' name='robots'></head><body><p>x</p></body></html>"
    )
    site.replies["/image"] = Reply(b"\x89PNG", "image/png")
    site.replies["/broken"] = Reply(status=500)
    site.replies["/lie.pdf"] = Reply(b"no pdf", "application/pdf")
    site.replies["/guide.pdf"] = Reply(pdf([[(700, 11, "Press the green button.")]], title="Guide"), "application/pdf")
    site.sitemap("/private", "/quiet", "/meta", "/image", "/broken", "/lie.pdf", "/guide.pdf")
    source = await settled(admin, (await create(admin, site)).id)
    assert counts(source) == (1, 0, 0, 0, 4, 2)
    assert await titles(admin) == ["Guide"]
    seen = await outcomes(admin, source.id)
    assert seen["private"] == (source_pb2.PAGE_OUTCOME_SKIPPED, "excluded by robots.txt")
    assert seen["quiet"] == seen["meta"] == (source_pb2.PAGE_OUTCOME_SKIPPED, "excluded by noindex")
    assert seen["broken"] == (source_pb2.PAGE_OUTCOME_FAILED, "the site answered 500")
    assert seen["lie.pdf"][0] == source_pb2.PAGE_OUTCOME_FAILED
    assert site.statuses("/private") == []
    # A page that is excluded later takes its article with it.
    site.robots("User-agent: *\nDisallow: /guide\n")
    assert (await again(admin, source.id)).last_sync.removed_count == 1
    assert "Guide" not in await titles(admin)


async def test_a_site_that_is_away_changes_nothing(admin: Client, site: Site) -> None:
    site.page("/a", "Page A", "Text of the page.")
    site.sitemap("/a")
    source = await settled(admin, (await create(admin, site)).id)
    kept = dict(site.replies)
    site.replies["/sitemap.xml"] = Reply(status=500)
    failed = await again(admin, source.id)
    assert (failed.state, counts(failed)) == (FAILED, (0, 0, 0, 0, 0, 0))
    assert "the site answered 500" in failed.last_sync.message
    assert await titles(admin) == ["Page A"]
    assert failed.next_sync_time.seconds - failed.last_sync.end_time.seconds == pytest.approx(3_600, abs=60)
    site.replies.update(kept)
    site.replies["/a"] = Reply(status=503)
    recovered = await again(admin, source.id)
    assert (recovered.state, counts(recovered)) == (IDLE, (0, 0, 0, 0, 0, 1))
    assert await titles(admin) == ["Page A"]


async def test_changing_and_deleting(admin: Client, site: Site) -> None:
    site.page("/a", "Page A", "Text of the page.")
    site.sitemap("/a")
    source = await settled(admin, (await create(admin, site)).id)
    change = source_pb2.UpdateSourceRequest(
        source=source_pb2.Source(id=source.id, etag=source.etag, sync_interval=duration_pb2.Duration(seconds=0)),
        update_mask=field_mask_pb2.FieldMask(paths=["sync_interval"]),
    )
    changed = (await stub(admin).UpdateSource(change, metadata=admin.metadata)).source
    assert not changed.HasField("next_sync_time")
    assert (await refused(stub(admin).UpdateSource(change, metadata=admin.metadata))).reason == "ETAG_MISMATCH"
    for keep, left in ((True, ["Page A"]), (False, [])):
        request = source_pb2.DeleteSourceRequest(source_id=source.id, keep_articles=keep, request_id=str(uuid4()))
        for _ in range(2):
            await stub(admin).DeleteSource(request, metadata=admin.metadata)
        assert await titles(admin) == left
        gone = await refused(
            stub(admin).GetSource(source_pb2.GetSourceRequest(source_id=source.id), metadata=admin.metadata)
        )
        assert gone.code is grpc.StatusCode.NOT_FOUND
        if keep:
            # The same documents belong to a source of that name again.
            source = await settled(admin, (await create(admin, site)).id)
            assert counts(source) == (0, 0, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "https://10.0.0.1/"}, "source.url"),
        ({"url": "https://0x7f000001.example.invalid:0/"}, "source.url"),
        ({"url": "http://93.184.216.34/"}, "source.url"),
        ({"sitemap_url": "https://example.org/sitemap.xml"}, "source.sitemap_url"),
        ({"sync_interval": duration_pb2.Duration(seconds=60)}, "source.sync_interval"),
        ({"name": "Not a slug"}, "source.name"),
        ({"max_pages": 5001}, "source.max_pages"),
    ],
)
async def test_bad_sources_name_the_field(admin: Client, site: Site, fields: dict[str, Any], field: str) -> None:
    values = {"name": "help", "url": f"{site.base}/", **fields}
    request = source_pb2.CreateSourceRequest(source=source_pb2.Source(**values))
    refusal = await refused(stub(admin).CreateSource(request, metadata=admin.metadata))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in refusal.fields


async def test_names_are_unique_and_repeats_join(admin: Client, site: Site) -> None:
    site.sitemap("/a")
    request = source_pb2.CreateSourceRequest(
        source=source_pb2.Source(name="help", url=f"{site.base}/"), request_id="once"
    )
    first, second = [(await stub(admin).CreateSource(request, metadata=admin.metadata)).source.id for _ in range(2)]
    assert first == second
    request.request_id = "twice"
    refusal = await refused(stub(admin).CreateSource(request, metadata=admin.metadata))
    assert refusal.code is grpc.StatusCode.ALREADY_EXISTS


async def test_another_worker_goes_on_when_one_is_lost(postgres: TestPostgres, site: Site) -> None:
    """A lease that lapsed in the middle of a synchronisation lets the next worker begin anew; nothing comes twice."""
    for number in range(3):
        site.page(f"/{number}", f"Page {number}", "Text of the page.")
    site.sitemap("/0", "/1", "/2")
    settings = make_settings(postgres, provider_allowed_nets=("127.0.0.0/8",), background_jobs=True)
    tenant = new_tenant()
    async with running_server(settings, alone=False) as server:
        admin = server.client(tenant=tenant, role="admin")
        source_id = (await create(admin, site)).id
        await settled(admin, source_id)
    connection = await asyncpg.connect(postgres.owner_url)
    try:
        await connection.execute(
            "SELECT set_config('deskwire.tenant_id', id::text, false) FROM tenants WHERE slug = $1", tenant
        )
        await connection.execute(
            "UPDATE source_syncs SET due_at = now(), worker_id = gen_random_uuid(), attempt = 7, "
            "lease_until = now() - interval '1 second' WHERE source_id = $1",
            source_id,
        )
    finally:
        await connection.close()
    async with running_server(settings, alone=False) as server:
        admin = server.client(tenant=tenant, role="admin")

        async def look() -> source_pb2.Source | None:
            source = await settled(admin, source_id)
            return source if source.last_sync.unchanged_count == 3 else None

        assert counts(await eventually(look)) == (0, 0, 3, 0, 0, 0)
        assert len(await titles(admin)) == 3
