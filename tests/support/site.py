"""A website for synchronisations to read, on loopback."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate

from aiohttp import web


@dataclass(slots=True)
class Reply:
    """What a path answers."""

    body: bytes = b""
    media_type: str = "text/html"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = ""


@dataclass(slots=True)
class Site:
    """Pages by path; `asked` lists each request with its status."""

    base: str = ""
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def page(self, path: str, title: str, text: str, **fields: object) -> None:
        """Put a page of HTML."""
        main = f"<main><h1>{title}</h1><p>{text}</p></main>"
        html = f"<html lang='en'><head><title>{title}</title></head><body>{main}</body></html>"
        etag = f'"{abs(hash(html))}"'
        self.replies[path] = Reply(html.encode(), etag=etag, **fields)  # type: ignore[arg-type]

    def sitemap(self, *paths: str, at: str = "/sitemap.xml", packed: bool = False) -> None:
        """Put a sitemap that lists paths, or whole addresses."""
        places = "".join(f"<url><loc>{self._address(path)}</loc></url>" for path in paths)
        xml = f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>'
        body = gzip.compress(xml.encode()) if packed else xml.encode()
        self.replies[at] = Reply(body, "application/gzip" if packed else "application/xml")

    def index(self, *paths: str, at: str = "/sitemap.xml") -> None:
        """Put a sitemap that lists sitemaps."""
        places = "".join(f"<sitemap><loc>{self._address(path)}</loc></sitemap>" for path in paths)
        xml = f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</sitemapindex>'
        self.replies[at] = Reply(xml.encode(), "text/xml")

    def robots(self, text: str) -> None:
        """Put the rules of robots.txt."""
        self.replies["/robots.txt"] = Reply(text.encode(), "text/plain")

    def statuses(self, path: str) -> list[int]:
        """How requests for a path were answered."""
        return [status for asked, status in self.asked if asked == path]

    def _address(self, path: str) -> str:
        return path if "://" in path else self.base + path

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request."""
        reply = self.replies.get(request.raw_path, Reply(b"no such page", "text/plain", 404))
        headers = {"Last-Modified": formatdate(0, usegmt=True), **reply.headers}
        if reply.etag:
            headers["ETag"] = reply.etag
        known = reply.etag and request.headers.get("If-None-Match") == reply.etag
        status = 304 if known else reply.status
        self.asked.append((request.raw_path, status))
        if status == 304:
            return web.Response(status=304)
        return web.Response(body=reply.body, status=status, content_type=reply.media_type, headers=headers)


@asynccontextmanager
async def running_site() -> AsyncIterator[Site]:
    """A site that answers until the end."""
    site = Site()
    application = web.Application()
    application.router.add_route("GET", "/{path:.*}", site.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        listener = web.TCPSite(runner, "127.0.0.1", 0)
        await listener.start()
        host, port = runner.addresses[0][:2]
        site.base = f"http://{host}:{port}"
        yield site
    finally:
        await runner.cleanup()
