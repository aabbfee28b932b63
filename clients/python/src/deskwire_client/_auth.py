"""Where the token of a call comes from."""

from __future__ import annotations

import asyncio
import base64
import binascii
import inspect
import json
import time
from collections.abc import Awaitable, Callable

TokenSource = Callable[[], str | Awaitable[str]]
"""Gives a fresh token. Called when there is none, shortly before the last one expires, and after it was refused."""

_RENEW_BEFORE = 30.0
"""Seconds before its end at which a token is replaced."""
_REFUSED = frozenset({"TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_REVOKED"})


class Tokens:
    """Keeps the current token."""

    def __init__(self, token: str | None, source: TokenSource | None) -> None:
        if token is not None and source is not None:
            raise ValueError("give either token or token_source, not both")
        self._token = token
        self._source = source
        self._renew_at = float("inf")
        self._lock = asyncio.Lock()

    async def current(self) -> str | None:
        """The token to send; None when there is none at all. Raises what the source raises."""
        if self._source is None:
            return self._token
        async with self._lock:
            if self._token is None or time.time() >= self._renew_at:
                given = self._source()
                self._token = await given if inspect.isawaitable(given) else given
                self._renew_at = _expiry(self._token) - _RENEW_BEFORE
            return self._token

    def refused(self, reason: str) -> bool:
        """Forget a token that the server refused. Returns whether another one can be had."""
        if self._source is None or reason not in _REFUSED:
            return False
        self._token = None
        return True


def _expiry(token: str) -> float:
    """When a token ends, by its own unverified word; infinity where it does not say."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return float("inf")
