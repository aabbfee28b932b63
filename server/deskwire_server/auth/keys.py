"""Public keys of RS256 and ES256 tokens, from a key set in a file or at an https address."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson
import structlog

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
            if time.monotonic() - self._tried_at < _RETRY_AFTER and self._keys:
                return
            self._tried_at = time.monotonic()
            try:
                self._keys = _parse(await self._read())
                self._loaded_at = time.monotonic()
            except (OSError, aiohttp.ClientError, TimeoutError, ValueError, jwt.PyJWTError) as error:
                _log.error("key_set_unreadable", source=self._source, error=str(error))

    async def _read(self) -> bytes:
        if not self._source.startswith("https://"):
            return await asyncio.to_thread(Path(self._source).read_bytes)
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(self._source, allow_redirects=False) as response,
        ):
            response.raise_for_status()
            return await response.content.read(_MAX_BYTES)


def _parse(document: bytes) -> dict[str, tuple[str, Any]]:
    keys: dict[str, tuple[str, Any]] = {}
    for entry in orjson.loads(document)["keys"]:
        algorithm = _ALGORITHMS.get(entry.get("kty", ""))
        if algorithm is None or not entry.get("kid") or entry.get("use", "sig") != "sig":
            continue
        if entry.get("alg", algorithm) == algorithm:
            keys[entry["kid"]] = (algorithm, jwt.PyJWK(entry, algorithm=algorithm).key)
    return keys
