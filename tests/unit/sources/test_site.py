"""Robots, sitemaps and pages of a site, over real HTTP."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest

from deskwire_server.sources.addresses import AddressGuard
from deskwire_server.sources.fetch import Fetcher, FetchFailed, same_site
from deskwire_server.sources.site import SiteUnreadable, read_site
from tests.support.site import Reply, Site, running_site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running_site() as running:
        yield running


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    async with Fetcher(AddressGuard(["127.0.0.0/8"])) as made:
        yield made


async def pages(fetcher: Fetcher, site: Site, *, path: str = "/", sitemap: str = "", most: int = 100) -> list[str]:
    found = await read_site(fetcher, site.base + path, sitemap and site.base + sitemap, most)
    return [page.removeprefix(site.base) for page in found.pages]


async def test_pages_of_nested_and_packed_sitemaps_once_each(site: Site, fetcher: Fetcher) -> None:
    site.index("/one.xml", "/two.xml.gz", "/sitemap.xml")
    site.sitemap("/a", "/b#part", "https://elsewhere.example/c", at="/one.xml")
    site.sitemap("/b", "/d?x=1", at="/two.xml.gz", packed=True)
    assert await pages(fetcher, site) == ["/a", "/b", "/d?x=1"]
    assert await pages(fetcher, site, most=2) == ["/a", "/b"]


async def test_only_pages_below_the_address(site: Site, fetcher: Fetcher) -> None:
    site.sitemap("/docs/a", "/docs/b/c", "/blog/a", "/docsother")
    assert await pages(fetcher, site, path="/docs/") == ["/docs/a", "/docs/b/c"]


async def test_robots_names_the_sitemap_and_the_rules(site: Site, fetcher: Fetcher) -> None:
    site.robots(f"User-agent: *\nDisallow: /private\nCrawl-delay: 3\nSitemap: {site.base}/other.txt\n")
    site.replies["/other.txt"] = Reply(f"{site.base}/a\n{site.base}/private/b\n".encode(), "text/plain")
    found = await read_site(fetcher, site.base, "", 10)
    assert found.delay == 3.0
    assert [found.allows(page) for page in found.pages] == [True, False]


@pytest.mark.parametrize(
    ("path", "reply", "words"),
    [
        ("/robots.txt", Reply(status=503), "robots.txt could not be read: the site answered 503"),
        ("/sitemap.xml", Reply(status=404), "the site answered 404"),
        ("/sitemap.xml", Reply(b"<html></html>"), "it is no sitemap"),
        ("/sitemap.xml", Reply(b"<urlset><url>"), "it is no sitemap"),
        ("/sitemap.xml", Reply(b"\x1f\x8bbroken"), "packed and damaged"),
        ("/sitemap.xml", Reply(gzip.compress(b" " * (17 * 1024 * 1024))), "larger than"),
        ("/sitemap.xml", Reply(b"<urlset></urlset>", "text/xml"), "lists no page"),
        (
            "/sitemap.xml",
            Reply(
                b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><urlset><url><loc>&e;</loc></url></urlset>'
            ),
            "lists no page",
        ),
    ],
)
async def test_a_site_that_cannot_be_read_says_why(
    site: Site, fetcher: Fetcher, path: str, reply: Reply, words: str
) -> None:
    site.replies[path] = reply
    with pytest.raises(SiteUnreadable, match=words):
        await read_site(fetcher, site.base, "", 10)


async def test_a_missing_part_of_the_sitemaps_is_not_taken_for_missing_pages(site: Site, fetcher: Fetcher) -> None:
    site.index("/one.xml", "/gone.xml")
    site.sitemap("/a", at="/one.xml")
    with pytest.raises(SiteUnreadable, match=r"gone\.xml"):
        await read_site(fetcher, site.base, "", 10)


async def test_redirects_stay_on_the_site(site: Site, fetcher: Fetcher) -> None:
    site.replies["/old"] = Reply(status=301, headers={"Location": "/new"})
    site.page("/new", "New", "Text.")
    answer = await fetcher.get(site.base + "/old", most=10_000)
    assert (answer.status, answer.url) == (200, site.base + "/new")
    for place, words in (
        ("https://example.com/", "another site"),
        ("http://127.0.0.2:1/", "another site"),
        ("/loop", "too often"),
    ):
        site.replies["/loop"] = Reply(status=302, headers={"Location": place})
        with pytest.raises(FetchFailed, match=words):
            await fetcher.get(site.base + "/loop", most=10_000)


async def test_limits_of_an_answer(site: Site, fetcher: Fetcher) -> None:
    site.replies["/large"] = Reply(b"x" * 20_000, "text/plain")
    site.replies["/bomb"] = Reply(gzip.compress(bytes(5_000_000)), "text/plain", headers={"Content-Encoding": "gzip"})
    site.replies["/packed"] = Reply(gzip.compress(b"short"), "text/plain", headers={"Content-Encoding": "gzip"})
    site.replies["/odd"] = Reply(b"x", "text/plain", headers={"Content-Encoding": "br"})
    assert (await fetcher.get(site.base + "/packed", most=10_000)).body == b"short"
    for path, words in (("/large", "larger than"), ("/bomb", "larger than"), ("/odd", "packed in a way")):
        with pytest.raises(FetchFailed, match=words):
            await fetcher.get(site.base + path, most=10_000)


async def test_addresses_are_checked_at_every_request(site: Site) -> None:
    async with Fetcher(AddressGuard()) as fetcher:
        for url in (site.base, site.base.replace("127.0.0.1", "localhost"), "https://127.1/", "https://[::1]/"):
            with pytest.raises(FetchFailed, match="not on the public internet"):
                await fetcher.get(url, most=100)
    assert site.asked == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://a.example/y", True),
        ("https://a.example/", "https://www.a.example/", True),
        ("http://a.example/", "https://a.example/", True),
        ("https://a.example/", "http://a.example/", False),
        ("https://a.example/", "https://b.example/", False),
        ("https://a.example:8443/", "https://a.example:9000/", False),
        ("https://a.example/", "https://user@a.example/", False),
        ("https://a.example/", "ftp://a.example/", False),
    ],
)
def test_same_site(one: str, other: str, same: bool) -> None:
    assert same_site(one, other) is same
