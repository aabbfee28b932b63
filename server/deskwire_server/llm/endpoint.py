"""Where a provider's calls go, and with which key: both are checked before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from deskwire_server.errors import InvalidArgument

_MAX_KEY_LENGTH = 4_096


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider's calls go. The headers carry the key and never show in a repr."""

    provider: str
    url: str
    headers: Mapping[str, str] = field(repr=False)


def checked_key(key: str) -> str:
    """`key` if it can stand in a header. Raises InvalidArgument, which does not repeat it."""
    if not key:
        raise InvalidArgument.field("api_key", "must not be empty", "string.min_len")
    if len(key) > _MAX_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidArgument.field("api_key", "must be printable ASCII without spaces or line breaks", "string.key")
    return key


def checked_base_url(url: str) -> str:
    """`url` without a slash at its end. Raises InvalidArgument for anything but http(s) with a host and a path."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidArgument.field("base_url", "must be an http or https URL with a host", "string.uri")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidArgument.field("base_url", "must have no user info, query or fragment", "string.uri")
    return url.rstrip("/")
