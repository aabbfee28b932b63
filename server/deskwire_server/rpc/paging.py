"""Page tokens: opaque to clients, made and checked here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

import orjson

from deskwire_server.errors import InvalidArgument

DEFAULT_PAGE = 50
LARGEST_PAGE = 200
_TAG_BYTES = 16


def page_size(asked: int) -> int:
    """Clamp what a client asked for; 0 is the default."""
    return min(asked or DEFAULT_PAGE, LARGEST_PAGE)


class PageTokens:
    """Signs the place where a list goes on, together with the list's own parameters."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"deskwire page token\0" + secret.encode()).digest()

    def encode(self, scope: object, place: Any) -> str:
        """A token for `place` in the list that `scope` describes (method, tenant, filters)."""
        body = orjson.dumps(place, default=str)
        return base64.urlsafe_b64encode(self._tag(scope, body) + body).rstrip(b"=").decode()

    def decode(self, scope: object, token: str) -> Any:
        """The place in a token. Raises `InvalidArgument` for one that was not made for this list."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _forged() from error
        tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(scope, body)):
            raise _forged()
        return orjson.loads(body)

    def _tag(self, scope: object, body: bytes) -> bytes:
        described = orjson.dumps(scope, default=str)
        return hmac.digest(self._key, described + b"\0" + body, "sha256")[:_TAG_BYTES]


def _forged() -> InvalidArgument:
    error = InvalidArgument.field("page_token", "must be the next_page_token of the same list", "page_token.forged")
    error.reason = "PAGE_TOKEN_INVALID"
    return error
