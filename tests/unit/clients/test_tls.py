"""Encrypted connections, with certificates made on the spot."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deskwire_client import DeskwireClient, RetryPolicy, Tls, UnavailableError
from tests.support.fake_deskwire import FakeDeskwire

SHORT = RetryPolicy(call_for=0.2)


@dataclass(frozen=True)
class Pair:
    """A key and its self-signed certificate, as PEM."""

    key: bytes
    certificate: bytes


def make_pair(name: str) -> Pair:
    """For 127.0.0.1 and a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return Pair(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain), certificate.public_bytes(encoding)
    )


SERVER, CLIENT = make_pair("deskwire.test"), make_pair("billing-service")


@pytest.fixture
async def server() -> AsyncIterator[FakeDeskwire]:
    """Takes only clients with a certificate of `CLIENT`."""
    fake = FakeDeskwire()
    await fake.start(
        credentials=grpc.ssl_server_credentials(
            [(SERVER.key, SERVER.certificate)], root_certificates=CLIENT.certificate, require_client_auth=True
        )
    )
    yield fake
    await fake.stop()


async def test_both_sides_show_a_certificate(server: FakeDeskwire, tmp_path: Path) -> None:
    """From files or bytes."""
    authority = tmp_path / "ca.pem"
    authority.write_bytes(SERVER.certificate)
    tls = Tls(authority=authority, certificate=CLIENT.certificate, key=CLIENT.key, server_name="deskwire.test")
    async with DeskwireClient(server.address, token="t", tls=tls) as client:
        assert (await client.ask("How?")).text


@pytest.mark.parametrize(
    "tls",
    [
        False,
        True,
        Tls(authority=SERVER.certificate),
        Tls(authority=CLIENT.certificate, certificate=CLIENT.certificate, key=CLIENT.key),
    ],
    ids=["plain", "unknown authority", "no client certificate", "another authority"],
)
async def test_anything_less_is_refused(server: FakeDeskwire, tls: bool | Tls) -> None:
    """And nothing reaches the server, the token least of all."""
    async with DeskwireClient(server.address, token="t", tls=tls, retry=SHORT) as client:
        with pytest.raises(UnavailableError):
            await client.search("x")
    assert server.calls == []
