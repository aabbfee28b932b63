"""Every rule of tokens that a server's own secret signs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from deskwire.v1 import conversation_pb2

from tests.rpc.contract import call
from tests.rpc.tokens import LIST, UNAUTHENTICATED, claims, listing, signed
from tests.support.server import Server


def _h(**changes: Any) -> dict[str, Any]:
    return {"alg": "HS256", "typ": "JWT"} | changes


def _twice(claim: str) -> str:
    text = json.dumps(claims())
    return f'{text[:-1]}, "{claim}": {json.dumps(claims()[claim])}}}'


NOW = int(time.time())
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "28 alg none": (claims(), _h(alg="none"), "TOKEN_INVALID"),
    "28 alg None": (claims(), _h(alg="nOnE"), "TOKEN_INVALID"),
    "28 no alg": (claims(), {"typ": "JWT"}, "TOKEN_INVALID"),
    "28 alg of another type": (claims(), _h(alg=["HS256"]), "TOKEN_INVALID"),
    "28 HS384": (claims(), _h(alg="HS384"), "TOKEN_INVALID"),
    "30 exp 1e308": ({**claims(), "exp": 1e308}, None, "TOKEN_INVALID"),
    "30 exp infinite": (json.dumps({**claims(), "exp": float("inf")}), None, "TOKEN_INVALID"),
    "30 exp not a number": (json.dumps({**claims(), "exp": float("nan")}), None, "TOKEN_INVALID"),
    "30 exp of many digits": (json.dumps(claims()).replace('"exp": ', '"exp": ' + "9" * 5000), None, "TOKEN_INVALID"),
    "30 exp text": (claims(exp="2999-01-01"), None, "TOKEN_INVALID"),
    "30 exp true": (claims(exp=True), None, "TOKEN_INVALID"),
    "30 exp negative": (claims(exp=-1), None, "TOKEN_INVALID"),
    "30 no exp": (claims(exp=None), None, "TOKEN_INVALID"),
    "30 no iat": (claims(iat=None), None, "TOKEN_INVALID"),
    "31 exp twice": (_twice("exp"), None, "TOKEN_INVALID"),
    "31 tenant twice": (_twice("tenant"), None, "TOKEN_INVALID"),
    "31 alg twice": (claims(), '{"alg": "HS256", "alg": "HS256"}', "TOKEN_INVALID"),
    "32 typ": (claims(), _h(typ="logout+jwt"), "TOKEN_INVALID"),
    "32 typ of another type": (claims(), _h(typ={"a": 1}), "TOKEN_INVALID"),
    "33 crit": (claims(), _h(crit=["b64"], b64=False), "TOKEN_INVALID"),
    "34 kid with a path": (claims(), _h(kid="../../etc/passwd"), "TOKEN_INVALID"),
    "34 kid with a statement": (claims(), _h(kid="x' OR '1'='1"), "TOKEN_INVALID"),
    "34 kid of another type": (claims(), _h(kid=7), "TOKEN_INVALID"),
    "35 audience": (claims(aud="billing"), None, "TOKEN_INVALID"),
    "35 audiences": (claims(aud=["billing", {"a": 1}]), None, "TOKEN_INVALID"),
    "35 no audience": (claims(aud=None), None, "TOKEN_INVALID"),
    "35 issuer": (claims(iss="https://evil.example"), None, "TOKEN_INVALID"),
    "35 no issuer": (claims(iss=None), None, "TOKEN_INVALID"),
    "too long a life": (claims(exp=NOW + 8 * 86_400), None, "TOKEN_INVALID"),
    "a life that ends before it begins": (claims(iat=NOW, exp=NOW - 5), None, "TOKEN_INVALID"),
    "from the future": (claims(iat=NOW + 3_000, exp=NOW + 3_600), None, "TOKEN_EXPIRED"),
    "not yet": (claims(nbf=NOW + 3_000), None, "TOKEN_EXPIRED"),
    "nbf text": (claims(nbf="soon"), None, "TOKEN_INVALID"),
    "no tenant": (claims(tenant=None), None, "TOKEN_INVALID"),
    "a tenant that is none": (claims(tenant="../Demo"), None, "TOKEN_INVALID"),
    "tenants": (claims(tenant=["demo"]), None, "TOKEN_INVALID"),
    "no user": (claims(sub=None), None, "TOKEN_INVALID"),
    "an empty user": (claims(sub=""), None, "TOKEN_INVALID"),
    "a user with a line break": (claims(sub="ana\nrole: admin"), None, "TOKEN_INVALID"),
    "a user with NUL": (claims(sub="ana\0"), None, "TOKEN_INVALID"),
    "no role": (claims(role=None), None, "TOKEN_INVALID"),
    "an unknown role": (claims(role="owner"), None, "TOKEN_INVALID"),
    "roles": (claims(role=["admin"]), None, "TOKEN_INVALID"),
    "a role of another type": (claims(role={"admin": True}), None, "TOKEN_INVALID"),
    "a token id of another type": (claims(jti=[1]), None, "TOKEN_INVALID"),
    "a payload that is no object": ("[1, 2]", None, "TOKEN_INVALID"),
    "a payload that nests": ("[" * 100_0 + "]" * 100_0, None, "TOKEN_INVALID"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_tokens_that_are_refused(server: Server, name: str) -> None:
    payload, header, reason = REFUSED[name]
    refusal = (await listing(server, signed(payload, header=header))).refusal

    assert refusal is not None
    assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, reason)
    refusal.assert_nothing_internal("auth-tests")


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b", "a.b.c", "a.b.c.d", "eyJ.eyJ.sig", "." * 5, "é", "A" * 9_000],
    ids=["empty", "one", "two parts", "no JSON", "four parts", "cut", "dots", "not ASCII", "oversized"],
)
async def test_what_is_no_token(server: Server, token: str) -> None:
    if not token.isascii():
        token = token.encode().decode("latin-1").encode("ascii", "ignore").decode() + "?"
    refusal = (await listing(server, token)).refusal

    assert refusal is not None
    assert refusal.code is UNAUTHENTICATED
    assert refusal.reason == ("TOKEN_INVALID" if token else "TOKEN_MISSING")


async def test_an_oversized_token_with_a_right_signature(server: Server) -> None:
    refusal = (await listing(server, signed(claims(padding="x" * 7_000)))).refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, "TOKEN_INVALID")


@pytest.mark.parametrize("value", ["Basic abc", "Bearer", "token"])
async def test_other_schemes(server: Server, value: str) -> None:
    outcome = await call(
        server.channel, LIST, [conversation_pb2.ListConversationsRequest()], (("authorization", value),)
    )
    assert outcome.refusal is not None
    assert (outcome.refusal.code, outcome.refusal.reason) == (UNAUTHENTICATED, "TOKEN_MISSING")


async def test_a_signature_by_another_secret(server: Server) -> None:
    refusal = (await listing(server, signed(claims(), key="another secret of more than 32 bytes"))).refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, "TOKEN_INVALID")


async def test_29_half_a_minute_of_leeway(server: Server) -> None:
    now = time.time()
    late = (await listing(server, signed(claims(iat=now - 600, exp=now - 31)))).refusal
    assert late is not None
    assert (late.code, late.reason) == (UNAUTHENTICATED, "TOKEN_EXPIRED")
    assert (await listing(server, signed(claims(iat=now - 600, exp=time.time() - 28)))).refusal is None
    assert (await listing(server, signed(claims(iat=now + 25)))).refusal is None


async def test_what_is_accepted_besides(server: Server) -> None:
    for payload, header in (
        (claims(aud=["billing", "deskwire"]), None),
        (claims(jti=None), None),
        (claims(), _h(typ="at+jwt")),
        (claims(), {"alg": "HS256"}),
        (claims(), _h(kid="any-sound.name_1")),
    ):
        assert (await listing(server, signed(payload, header=header))).refusal is None
