"""Public keys of RS256 and ES256 tokens, from a key set in a file or at an https address."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from deskwire_server import lazy

if TYPE_CHECKING:
    import aiohttp
    import jwt
else:
    aiohttp, jwt = lazy.module("aiohttp"), lazy.module("jwt")

_log = structlog.get_logger(__name__)
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
_REFRESH_AFTER = 300.0
_RETRY_AFTER = 5.0
_MAX_BYTES = 256 * 1024


class KeySet:
    """Keys by id. Refreshed every five minutes, and at most every five seconds for an id that is not known."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._keys: dict[str, tuple[str, Any]] = {}
        self._loaded_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, key_id: str, algorithm: str) -> Any | None:
        """The key with this id if it is meant for this algorithm, else None."""
        now = time.monotonic()
        if now - self._loaded_at > _REFRESH_AFTER or (key_id not in self._keys and now - self._tried_at > _RETRY_AFTER):
            await self._refresh()
        known = self._keys.get(key_id)
        return known[1] if known is not None and known[0] == algorithm else None

    async def _refresh(self) -> None:
        async with self._lock:
            # Also when the last try failed: calls with unknown key ids must not hammer the source.
            if time.monotonic() - self._tried_at < _RETRY_AFTER:
                return
            self._tried_at = time.monotonic()
            try:
                self._keys = _parse(await self._read())
                self._loaded_at = time.monotonic()
            except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
                _log.error("key_set_unreadable", source=self._source, error=str(error))

    async def _read(self) -> bytes:
        if self._source.startswith("https://"):
            return await download(self._source)
        return await asyncio.to_thread(Path(self._source).read_bytes)


async def download(url: str) -> bytes:
    """The whole document at `url`. Raises `aiohttp.ClientError`, `TimeoutError`, `ValueError` when it is too large."""
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, allow_redirects=False) as response:
        response.raise_for_status()
        if response.status != 200:
            raise ValueError(f"status {response.status}")
        document = bytearray()
        async for piece in response.content.iter_any():
            document += piece
            if len(document) > _MAX_BYTES:
                raise ValueError("the key set is too large")
        return bytes(document)


def _parse(document: bytes) -> dict[str, tuple[str, Any]]:
    """The keys of a set. An entry that is no key of ours is passed over. Raises `ValueError` for what is no set."""
    entries = _mapping(orjson.loads(document)).get("keys")
    if not isinstance(entries, list):
        raise ValueError("this is not a key set")  # noqa: TRY004 (of a document, not of an argument)
    keys: dict[str, tuple[str, Any]] = {}
    for entry in map(_mapping, entries):
        algorithm, key_id = _ALGORITHMS.get(str(entry.get("kty"))), entry.get("kid")
        if algorithm is None or not isinstance(key_id, str) or entry.get("use", "sig") != "sig":
            continue
        if entry.get("alg", algorithm) == algorithm:
            try:
                keys[key_id] = (algorithm, jwt.PyJWK(entry, algorithm=algorithm).key)
            except (jwt.PyJWTError, ValueError, TypeError) as error:
                _log.warning("key_unusable", key=key_id, error=str(error))
    return keys


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
