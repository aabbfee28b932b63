"""Tokens by the keys of a key set in a file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from deskwire_server.auth import keys
from tests.rpc.tokens import UNAUTHENTICATED, claims, listing, signed
from tests.support.postgres import TestPostgres
from tests.support.server import Server, make_settings, running_server


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwks(**public: Any) -> str:
    """A key set of these keys by id."""
    entries = []
    for key_id, key in public.items():
        algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        entries.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": key_id, "use": "sig"})
    return json.dumps({"keys": entries})


@pytest.fixture
async def keyed(
    postgres: TestPostgres, tmp_path: Path, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> AsyncIterator[tuple[Server, Path]]:
    """A server that takes RS256 and ES256 by a key set in a file, and the file."""
    file = tmp_path / "keys.json"
    file.write_text(jwks(r1=rsa_key, e1=ec_key))
    async with running_server(make_settings(postgres, jwt_jwks=str(file))) as running:
        yield running, file


def _h(**changes: Any) -> dict[str, Any]:
    return {"alg": "HS256", "typ": "JWT"} | changes


def by_key(key: Any, algorithm: str, **headers: Any) -> str:
    return jwt.encode(claims(), key, algorithm=algorithm, headers=headers)


async def test_tokens_by_the_key_set(
    keyed: tuple[Server, Path], rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    server, _ = keyed
    assert (await listing(server, by_key(rsa_key, "RS256", kid="r1"))).refusal is None
    assert (await listing(server, by_key(ec_key, "ES256", kid="e1"))).refusal is None
    assert (await listing(server, signed(claims()))).refusal is None


async def test_28_keys_used_in_another_way(
    keyed: tuple[Server, Path], rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    server, _ = keyed
    public = rsa_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    tokens = {
        "the public key as a secret": signed(claims(), header=_h(kid="r1"), key=public.decode()),
        "PS256": by_key(rsa_key, "PS256", kid="r1"),
        "RS512": by_key(rsa_key, "RS512", kid="r1"),
        "no key id": by_key(rsa_key, "RS256"),
        "an unknown key id": by_key(rsa_key, "RS256", kid="r9"),
        "a key of the other kind": by_key(rsa_key, "RS256", kid="e1"),
        "another key under the id": by_key(other, "RS256", kid="r1"),
        "ES384": jwt.encode(claims(), ec.generate_private_key(ec.SECP384R1()), "ES384", {"kid": "e1"}),
    }
    for name, token in tokens.items():
        refusal = (await listing(server, token)).refusal
        assert refusal is not None, name
        assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, "TOKEN_INVALID"), name


async def test_no_key_set_means_no_such_token(server: Server, rsa_key: rsa.RSAPrivateKey) -> None:
    refusal = (await listing(server, by_key(rsa_key, "RS256", kid="r1"))).refusal
    assert refusal is not None
    assert refusal.code is UNAUTHENTICATED


async def test_a_changed_key_file_is_read_again(
    keyed: tuple[Server, Path], rsa_key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, file = keyed
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert (await listing(server, by_key(other, "RS256", kid="r2"))).refusal is not None
    monkeypatch.setattr(keys, "_RETRY_AFTER", 0.0)
    file.write_text(jwks(r2=other))
    assert (await listing(server, by_key(other, "RS256", kid="r2"))).refusal is None
    assert (await listing(server, by_key(rsa_key, "RS256", kid="r1"))).refusal is not None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"keys": 7}', '{"keys": [7, {"kty": "RSA", "kid": "x"}]}'])
async def test_a_broken_key_file_breaks_nothing_else(
    keyed: tuple[Server, Path], rsa_key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    server, file = keyed
    monkeypatch.setattr(keys, "_RETRY_AFTER", 0.0)
    file.write_text(content)
    refusal = (await listing(server, by_key(rsa_key, "RS256", kid="unknown"))).refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, "TOKEN_INVALID")
    assert (await listing(server, signed(claims()))).refusal is None
