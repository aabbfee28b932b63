"""Only addresses of the public internet may be called, in whatever spelling they come."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from deskwire_server.errors import InvalidArgument
from deskwire_server.sources.addresses import AddressGuard, AddressRefused

BAD = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[fc00::1]/",
    "https://[fe80::1]/",
    "https://[ff02::1]/",
]


@pytest.mark.parametrize("url", BAD)
async def test_private_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await AddressGuard().check(url, "source.url")
    assert caught.value.violations[0].field == "source.url"


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.216.34/",
        "ftp://93.184.216.34/",
        "https://user:secret@93.184.216.34/",
        "https://",
        "https://93.184.216.34:0/",
        "https://93.184.216.34:99999/",
        "https://93.184.216.34/a b",
        "https://93.184.216.34/\\evil",
        "https://[::1/",
        "//93.184.216.34/",
        "javascript:alert(1)",
        "https://93.184.216.34/" + "a" * 2048,
    ],
)
async def test_what_is_no_https_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument):
        await AddressGuard().check(url, "source.url")


async def test_public_addresses_are_taken_without_their_fragment() -> None:
    assert await AddressGuard().check("https://93.184.216.34/docs/#top", "url") == "https://93.184.216.34/docs/"
    assert await AddressGuard().check("https://[2606:2800:220:1::1]/", "url")


async def test_a_name_counts_as_what_it_points_to(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"inside.example": ["93.184.216.34", "10.0.0.5"], "outside.example": ["93.184.216.34"]}
    lookup = socket.getaddrinfo

    def resolve(host: str, port: Any, *rest: Any, **options: Any) -> Any:
        if host not in known:
            return lookup(host, port, *rest, **options)
        if options.get("flags") or (len(rest) > 3 and rest[3] & socket.AI_NUMERICHOST):
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert await AddressGuard().check("https://outside.example/", "url") == "https://outside.example/"
    with pytest.raises(InvalidArgument):
        await AddressGuard().check("https://inside.example/", "url")


async def test_networks_that_the_operator_allows() -> None:
    guard = AddressGuard(["10.0.0.0/8", "::1/128"])
    assert await guard.check("http://10.9.8.7:8080/", "url") == "http://10.9.8.7:8080/"
    assert await guard.check("https://[::1]/", "url")
    guard.check_literal("10.1.1.1")
    with pytest.raises(AddressRefused):
        guard.check_literal("127.1")
    assert guard.permits(ipaddress.ip_address("::ffff:10.0.0.1"))
    with pytest.raises(ValueError, match="not-a-network"):
        AddressGuard(["not-a-network"])
