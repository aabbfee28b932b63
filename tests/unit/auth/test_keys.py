"""Key sets: read when they are due, and no more often."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from deskwire_server.auth import keys
from deskwire_server.auth.keys import KeySet


class Clock:
    """Time that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr("deskwire_server.auth.keys.time.monotonic", lambda: self.now)


class CountingKeySet(KeySet):
    """Counts how often its source is read."""

    reads = 0

    async def _read(self) -> bytes:
        self.reads += 1
        await asyncio.sleep(0)
        return await super()._read()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture(scope="module")
def public() -> dict[str, dict[str, Any]]:
    made = {
        "r1": jwt.algorithms.RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key()),
        "e1": jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()),
    }
    return {key: {**json.loads(text), "kid": key} for key, text in made.items()}


def write(path: Path, *entries: object) -> str:
    path.write_text(json.dumps({"keys": entries}))
    return str(path)


async def test_a_key_serves_its_own_algorithm(tmp_path: Path, public: dict[str, dict[str, Any]]) -> None:
    found = KeySet(write(tmp_path / "keys", *public.values()))
    assert await found.find("r1", "RS256") is not None
    assert await found.find("e1", "ES256") is not None
    assert await found.find("r1", "ES256") is None
    assert await found.find("r2", "RS256") is None


async def test_a_bad_entry_spoils_no_other(tmp_path: Path, public: dict[str, dict[str, Any]]) -> None:
    bad: list[object] = [
        7, None, {}, {"kty": "RSA", "kid": "x"}, {"kty": "RSA", "kid": ["x"], "n": "AQAB", "e": "AQAB"},
        {"kty": "oct", "kid": "s", "k": "c2VjcmV0"}, {**public["e1"], "kid": "enc", "use": "enc"},
        {**public["r1"], "kid": "ps", "alg": "PS256"}, {"kty": ["RSA"], "kid": "l"},
    ]  # fmt: skip
    found = KeySet(write(tmp_path / "keys", *bad, public["r1"]))
    assert await found.find("r1", "RS256") is not None
    for key_id in ("x", "s", "enc", "ps", "l"):
        for algorithm in ("RS256", "ES256"):
            assert await found.find(key_id, algorithm) is None, key_id


async def test_unknown_ids_are_looked_up_at_most_every_five_seconds(
    tmp_path: Path, clock: Clock, public: dict[str, dict[str, Any]]
) -> None:
    found = CountingKeySet(write(tmp_path / "keys", public["r1"]))
    await asyncio.gather(*(found.find("r1", "RS256") for _ in range(20)))
    assert found.reads == 1
    for _ in range(20):
        assert await found.find("e1", "ES256") is None
    assert found.reads == 1
    write(tmp_path / "keys", *public.values())
    clock.now += 5.1
    assert await found.find("e1", "ES256") is not None
    assert found.reads == 2


async def test_known_ids_are_looked_up_again_after_five_minutes(
    tmp_path: Path, clock: Clock, public: dict[str, dict[str, Any]]
) -> None:
    found = CountingKeySet(write(tmp_path / "keys", *public.values()))
    assert await found.find("r1", "RS256") is not None
    write(tmp_path / "keys", public["e1"])
    clock.now += 299
    assert await found.find("r1", "RS256") is not None
    clock.now += 2
    assert await found.find("r1", "RS256") is None, "a key that was taken away counts no more"


async def test_a_source_that_is_away_keeps_the_old_keys_and_is_not_hammered(
    tmp_path: Path, clock: Clock, public: dict[str, dict[str, Any]]
) -> None:
    found = CountingKeySet(str(tmp_path / "keys"))
    for _ in range(20):
        assert await found.find("r1", "RS256") is None
    assert found.reads == 1
    write(tmp_path / "keys", public["r1"])
    clock.now += 5.1
    assert await found.find("r1", "RS256") is not None
    (tmp_path / "keys").unlink()
    clock.now += 301
    assert await found.find("r1", "RS256") is not None


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A server that gives documents in many pieces, too large ones, and redirects."""

    async def pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(int(request.match_info["count"])):
            await response.write(b"x" * 1_000)
            await asyncio.sleep(0)
        return response

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("/pieces/1")

    app = web.Application()
    app.add_routes([web.get("/pieces/{count}", pieces), web.get("/moved", moved)])
    runner = web.AppRunner(app)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def test_a_download_is_whole_and_bounded(site: str) -> None:
    assert len(await keys.download(f"{site}/pieces/200")) == 200_000
    with pytest.raises(ValueError, match="too large"):
        await keys.download(f"{site}/pieces/300")
    with pytest.raises(ValueError, match="302"):
        await keys.download(f"{site}/moved")
    with pytest.raises(aiohttp.ClientResponseError):
        await keys.download(f"{site}/nothing")
