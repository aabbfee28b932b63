"""Finds the pages of a site: robots.txt first, then its sitemaps."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from deskwire_server.sources.fetch import AGENT, Fetcher, FetchFailed, same_site

_MAX_ROBOTS = 512 * 1024
_MAX_SITEMAP = 16 * 1024 * 1024
_MAX_SITEMAPS = 50
_LONGEST_URL = 2048
_LONGEST_DELAY = 10.0


class SiteUnreadable(Exception):
    """Neither pages nor their absence can be told; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Site:
    """A site's pages and its rules."""

    pages: tuple[str, ...]
    """Addresses below the source's, each once, in the order of the sitemaps."""
    delay: float
    """Seconds between two requests that robots.txt asks for."""
    robots: Any

    def allows(self, url: str) -> bool:
        """Whether robots.txt lets us fetch this page."""
        return self.robots is None or bool(self.robots.can_fetch(url, AGENT))


async def read_site(fetcher: Fetcher, url: str, sitemap_url: str, max_pages: int) -> Site:
    """The site below `url`. Raises `SiteUnreadable`."""
    robots = await _robots(fetcher, url)
    named = [sitemap_url] if sitemap_url else list(robots.sitemaps) if robots is not None else []
    start = [urljoin(url, one) for one in named] or [urljoin(url, "/sitemap.xml")]
    pages = await _pages(fetcher, url, start, max_pages)
    delay = (robots.crawl_delay(AGENT) if robots is not None else None) or 0.0
    return Site(tuple(pages), min(float(delay), _LONGEST_DELAY), robots)


async def _robots(fetcher: Fetcher, url: str) -> Any:
    """The rules of robots.txt; None when there is none. A site whose rules can't be asked for is left alone."""
    from protego import Protego

    try:
        answer = await fetcher.get(urljoin(url, "/robots.txt"), most=_MAX_ROBOTS)
    except FetchFailed as error:
        raise SiteUnreadable(f"robots.txt could not be read: {error}") from error
    if answer.status >= 500 or answer.status == 429:
        raise SiteUnreadable(f"robots.txt could not be read: the site answered {answer.status}")
    return Protego.parse(answer.body.decode("utf-8", "replace")) if answer.status == 200 else None


async def _pages(fetcher: Fetcher, site: str, start: list[str], max_pages: int) -> list[str]:
    """Pages of the sitemaps from `start`, those that sitemaps name among them."""
    waiting, seen, found = list(dict.fromkeys(start)), set(start), dict[str, None]()
    faults: list[str] = []
    read = 0
    while waiting and read < _MAX_SITEMAPS and len(found) < max_pages:
        address = waiting.pop(0)
        read += 1
        if not same_site(site, address):
            faults.append("a sitemap lies on another site")
            continue
        try:
            more, pages = await _sitemap(fetcher, address)
        except FetchFailed as error:
            faults.append(f"{address} could not be read: {error}")
            continue
        waiting.extend(one for one in more if one not in seen)
        seen.update(more)
        found.update(dict.fromkeys(filter(None, (_below(site, page) for page in pages))))
    # With a part of the sitemaps missing nobody can tell which pages are gone.
    if faults or not found:
        raise SiteUnreadable(faults[0] if faults else "the sitemap lists no page below the address")
    return list(found)[:max_pages]


async def _sitemap(fetcher: Fetcher, address: str) -> tuple[list[str], list[str]]:
    """Further sitemaps and pages that one names. Raises `FetchFailed`."""
    answer = await fetcher.get(address, most=_MAX_SITEMAP)
    if answer.status != 200:
        raise FetchFailed(f"the site answered {answer.status}")
    body = answer.body
    if body.startswith(b"\x1f\x8b"):
        unpack = zlib.decompressobj(wbits=31)
        try:
            body = unpack.decompress(body, _MAX_SITEMAP)
        except zlib.error as error:
            raise FetchFailed("it is packed and damaged") from error
        if unpack.unconsumed_tail:
            raise FetchFailed(f"it is larger than {_MAX_SITEMAP} bytes")
    if not body.lstrip().startswith(b"<"):
        return [], [line.strip() for line in body.decode("utf-8", "replace").splitlines() if line.strip()]
    return _read_xml(body)


def _read_xml(body: bytes) -> tuple[list[str], list[str]]:
    from lxml import etree  # type: ignore[import-untyped]

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise FetchFailed("it is no sitemap") from error
    kind = etree.QName(root).localname
    if kind not in ("urlset", "sitemapindex"):
        raise FetchFailed("it is no sitemap")
    places = [
        (place.text or "").strip()
        for entry in root
        if isinstance(entry.tag, str)
        for place in entry
        if isinstance(place.tag, str) and etree.QName(place).localname == "loc"
    ]
    return (places, []) if kind == "sitemapindex" else ([], places)


def _below(site: str, page: str) -> str | None:
    """The page's address without its fragment, when it lies below the site's."""
    if len(page) > _LONGEST_URL or not page.isascii() or re.search(r"[\s\\]", page):
        return None
    try:
        parts = urlsplit(page)
        top = urlsplit(site).path.rsplit("/", 1)[0] + "/"
        is_below = same_site(site, page) and (parts.path or "/").startswith(top)
    except ValueError:
        return None
    return parts._replace(fragment="", path=parts.path or "/").geturl() if is_below else None
