"""The claims that audiences of articles are compared with."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from deskwire_server.auth import tokens
from deskwire_server.errors import Unauthenticated
from deskwire_server.settings import Settings

SECRET = "a secret that is long enough for this"


def _settings() -> Settings:
    return Settings(_env_file=None, jwt_secret=SecretStr(SECRET))


def _verifier(settings: Settings) -> tokens.TokenVerifier:
    return tokens.TokenVerifier(
        secret=SECRET, issuer=settings.jwt_issuer, audience=settings.jwt_audience, max_lifetime=90_000, keys=None
    )


async def test_what_is_minted_is_read() -> None:
    settings = _settings()
    token = tokens.mint(settings, tenant="demo", user="ana", role="user", plan="pro", languages=["de-AT", "en"])
    claims = await _verifier(settings).verify(token)
    assert (claims.plan, claims.languages) == ("pro", ("de-AT", "en"))
    plain = await _verifier(settings).verify(tokens.mint(settings, tenant="demo", user="ana", role="user"))
    assert (plain.plan, plain.languages) == ("", ())


@pytest.mark.parametrize(
    "claims",
    [
        {"plan": 7}, {"plan": "x" * 101}, {"plan": "a\nb"}, {"plan": None}, {"plan": ["pro"]},
        {"langs": "de"}, {"langs": [7]}, {"langs": ["not a tag"]}, {"langs": ["de"] * 11}, {"langs": {"de": 1}},
    ],
)  # fmt: skip
async def test_malformed_claims_are_refused(claims: dict[str, Any]) -> None:
    settings = _settings()
    now = int(time.time())
    payload = {
        "iss": settings.jwt_issuer, "aud": settings.jwt_audience, "sub": "ana", "tenant": "demo", "role": "user",
        "iat": now, "exp": now + 60, **claims,
    }  # fmt: skip
    with pytest.raises(Unauthenticated):
        await _verifier(settings).verify(jwt.encode(payload, SECRET, algorithm="HS256"))


@pytest.mark.parametrize("wrong", [{"plan": "x" * 101}, {"languages": ["not a tag"]}])
def test_what_would_be_refused_is_not_minted(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at most"):
        tokens.mint(_settings(), tenant="demo", user="ana", role="user", **wrong)
