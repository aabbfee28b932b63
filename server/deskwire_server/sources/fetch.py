"""Fetches pages of a site: from permitted addresses only, with limits on everything, and without going elsewhere."""

from __future__ import annotations

import asyncio
import ipaddress
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

from deskwire_server.sources.addresses import AddressGuard, AddressRefused

if TYPE_CHECKING:
    import aiohttp

AGENT = "DeskwireBot"
"""Name in `User-Agent`, and the one that robots.txt is asked for."""
_USER_AGENT = f"{AGENT}/1.0 (keeps a help centre's articles in step)"
_MAX_REDIRECTS = 5
_CHUNK = 64 * 1024
_TIMEOUT = 20.0
_CONNECT_TIMEOUT = 5.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FetchFailed(Exception):
    """A page could not be fetched; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The answer to a request."""

    url: str
    """Where the answer came from, after redirects."""
    status: int
    media_type: str
    """Lower case, without parameters."""
    robots: str
    """`X-Robots-Tag`, lower case."""
    etag: str
    last_modified: str
    body: bytes


class Fetcher:
    """HTTP for one synchronisation. A context manager: connections close with it."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Late: a worker that keeps no site in step does not pay for it.
        import aiohttp
        from aiohttp.abc import AbstractResolver, ResolveResult

        guard = self._guard

        class Resolver(AbstractResolver):
            """Names to permitted addresses only, asked anew for each connection."""

            def __init__(self) -> None:
                self._resolver = aiohttp.ThreadedResolver()

            async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
                found = await self._resolver.resolve(host, port, family)
                if not all(guard.permits(ipaddress.ip_address(one["host"].partition("%")[0])) for one in found):
                    raise AddressRefused("the address is not on the public internet")
                return found

            async def close(self) -> None:
                await self._resolver.close()

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Resolver(), use_dns_cache=False, limit=4, limit_per_host=2),
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT, sock_connect=_CONNECT_TIMEOUT),
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "gzip, identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, *, most: int, etag: str = "", last_modified: str = "") -> Fetched:
        """Fetch `url`, at most `most` bytes unpacked. Redirects are followed on the same site only.

        Raises `FetchFailed`. Statuses other than 200 come back without a body.
        """
        import aiohttp

        headers = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in headers.items() if value}
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                answer = await self._one(url, headers, most)
                if isinstance(answer, Fetched):
                    return answer
                if not same_site(url, answer):
                    raise FetchFailed("it redirects to another site")
                url = answer
        except AddressRefused as error:
            raise FetchFailed("the address is not on the public internet") from error
        except TimeoutError as error:
            raise FetchFailed("the site took too long to answer") from error
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, AddressRefused):
                raise FetchFailed("the address is not on the public internet") from error
            unknown = isinstance(error, aiohttp.ClientConnectorDNSError)
            raise FetchFailed(
                "the site's name can't be resolved" if unknown else "the site can't be reached"
            ) from error
        except (aiohttp.ClientError, zlib.error, OSError, ValueError) as error:
            raise FetchFailed("the site's answer could not be read") from error
        raise FetchFailed("it redirects too often")

    async def _one(self, url: str, headers: dict[str, str], most: int) -> Fetched | str:
        """One request: its answer, or where it redirects to."""
        assert self._session is not None
        # What is an address already is not looked up, so the resolver does not see it.
        self._guard.check_literal(urlsplit(url).hostname or "")
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status in _REDIRECTS and "Location" in response.headers:
                return urljoin(url, response.headers["Location"])
            body = await self._body(response, most) if response.status == 200 else b""
            return Fetched(
                url,
                response.status,
                response.content_type.lower(),
                response.headers.get("X-Robots-Tag", "").lower(),
                response.headers.get("ETag", ""),
                response.headers.get("Last-Modified", ""),
                body,
            )

    async def _body(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        """The body, unpacked as it comes so that a small answer can't become a large one."""
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("gzip", "x-gzip", "identity", ""):
            raise FetchFailed("the site's answer is packed in a way that was not asked for")
        unpack = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        parts: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_chunked(_CHUNK):
            part = chunk if unpack is None else unpack.decompress(chunk, most + 1 - size)
            size += len(part)
            if size > most:
                raise FetchFailed(f"it is larger than {most} bytes")
            parts.append(part)
            await asyncio.sleep(0)
        return b"".join(parts)


def same_site(one: str, other: str) -> bool:
    """Whether two addresses are of one host, with or without `www.`, and the second is no less safe."""
    first, second = urlsplit(one), urlsplit(other)
    if second.scheme not in ("http", "https") or (first.scheme == "https" and second.scheme != "https"):
        return False
    if "@" in second.netloc:
        return False
    return _bare(first.hostname) == _bare(second.hostname) and (first.port == second.port or first.port is None)


def _bare(host: str | None) -> str:
    return (host or "").lower().removeprefix("www.")
