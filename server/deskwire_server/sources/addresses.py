"""Keeps calls to addresses that tenants choose away from networks that are not the public internet.

A name is checked where it is turned into addresses, for each connection anew: a name that pointed somewhere harmless
when it was saved may point elsewhere later.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from deskwire_server.errors import InvalidArgument

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_TUNNELS = tuple(
    ipaddress.IPv6Network(network)
    # NAT64 and its local form, 6to4, Teredo, ISATAP-like mappings: each carries an IPv4 address inside.
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)
_LONGEST_URL = 2048
_RESOLVING = 5.0


class AddressRefused(OSError):
    """The address is not on the public internet."""


class AddressGuard:
    """Tells which addresses may be called: those of the public internet, and networks that the operator allows."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed` are networks in CIDR notation. Raises `ValueError` for what is none."""
        self._allowed = tuple(ipaddress.ip_network(network, strict=False) for network in allowed)

    def permits(self, address: Address) -> bool:
        """Whether this address may be called."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if self.is_allowed(address):
            return True
        if isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _TUNNELS):
            return False
        return address.is_global and not address.is_multicast and not address.is_reserved

    def is_allowed(self, address: Address) -> bool:
        """Whether the operator allows this address by name of its network."""
        return any(address.version == network.version and address in network for network in self._allowed)

    async def check(self, url: str, field: str) -> str:
        """`url` without a fragment, if it may be called. Raises `InvalidArgument` that names `field`.

        It must be https, or http on an allowed network. A name that can't be resolved now is let through: it is checked
        again whenever it is called.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port, parts = "", 0, urlsplit("")
        if parts.scheme not in ("http", "https") or not host or port == 0 or len(url) > _LONGEST_URL:
            raise InvalidArgument.field(field, "must be an https address with a host", "string.uri")
        if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
            raise InvalidArgument.field(field, "must be an address without spaces and control characters", "string.uri")
        if "@" in parts.netloc:
            raise InvalidArgument.field(field, "must have no user info", "string.uri")
        addresses = await self._resolve(host)
        if not all(map(self.permits, addresses)):
            raise InvalidArgument.field(field, "must be on the public internet", "url.public")
        if parts.scheme == "http" and not (addresses and all(map(self.is_allowed, addresses))):
            raise InvalidArgument.field(field, "must be an https address", "string.uri")
        return parts._replace(fragment="").geturl()

    def check_literal(self, host: str) -> None:
        """Raise `AddressRefused` when `host` is an address, in any spelling, that may not be called."""
        found = literal(host)
        if found is not None and not self.permits(found):
            raise AddressRefused("the address is not on the public internet")

    async def _resolve(self, host: str) -> list[Address]:
        known = literal(host)
        if known is not None:
            return [known]
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_RESOLVING):
                found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            return []
        return [address_of(entry[4]) for entry in found]


def literal(host: str) -> Address | None:
    """The address that `host` spells as the system reads it, as `127.1`, `0x7f.1` or `2130706433`; None for a name."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return address_of(found[0][4])


def address_of(place: Sequence[Any]) -> Address:
    """The address of a socket's place, without the zone that it may carry."""
    return ipaddress.ip_address(str(place[0]).partition("%")[0])
