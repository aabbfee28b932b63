"""Reads addresses of servers."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """Where to connect to."""

    target: str
    """Target as gRPC spells it."""
    encrypted: bool | None
    """What the address itself says about encryption; None when it says nothing."""
    loopback: bool
    """Whether it lies on this machine."""


def parse_address(address: str) -> Address:
    """Read `host:port`, `http://host:port`, `https://host:port` or `unix:/path`.

    Without a port it is 50051, with `https` 443. Raises ValueError for anything else.
    """
    text = address.strip()
    if text.startswith("unix:"):
        return Address(text, False, True)
    scheme, separator, rest = text.rpartition("://")
    if separator and scheme not in ("http", "https"):
        raise ValueError(f"address {address!r} must be host:port, http://host:port, https://host:port or unix:/path")
    host, port = _split(rest.rstrip("/"), "443" if scheme == "https" else "50051")
    if not host or "/" in host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"address {address!r} must be host:port, http://host:port, https://host:port or unix:/path")
    encrypted = {"http": False, "https": True}.get(scheme)
    return Address(f"{host}:{port}", encrypted, _is_loopback(host.strip("[]")))


def _split(text: str, default_port: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, port = text.partition("]")
        return f"{host}]", port.removeprefix(":") or default_port
    host, _, port = text.partition(":")
    return host, port or default_port


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
