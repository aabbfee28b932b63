"""Makes and checks tokens. Stricter than the library: what it lets pass is checked here as well."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from deskwire_server import lazy
from deskwire_server.auth.caller import LONGEST_USER_ID, Role
from deskwire_server.errors import Unauthenticated
from deskwire_server.settings import Settings

if TYPE_CHECKING:
    import jwt

    # Its module brings in an HTTP client, which minting a token on the command line does not need.
    from deskwire_server.auth.keys import KeySet
else:
    jwt = lazy.module("jwt")

DEFAULT_LIFETIME = 86_400
"""Seconds that a minted token lives."""

_MAX_TOKEN_BYTES = 8 * 1024
_MOST_KNOWN = 10_000
"""Tokens whose check is remembered."""
_LEEWAY = 30.0
_LATEST_TIME = 2**40
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3}\Z")
_MAX_PLAN = 100
_MAX_LANGUAGES = 10
_TYPES = {"jwt", "at+jwt"}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says."""

    tenant: str
    user_id: str
    role: Role
    token_id: str
    expires_at: float
    """Unix time in seconds."""
    plan: str = ""
    """What the person has bought, as articles' audiences name it."""
    languages: tuple[str, ...] = ()
    """Languages that the person reads, as BCP 47 tags."""


def mint(
    settings: Settings,
    *,
    tenant: str,
    user: str,
    role: str | Role,
    lifetime: float = DEFAULT_LIFETIME,
    plan: str = "",
    languages: Sequence[str] = (),
) -> str:
    """Sign a token with the server's own secret. `lifetime` is in seconds, at most `JWT_MAX_LIFETIME`."""
    if not _SLUG.match(tenant):
        raise ValueError(f"{tenant!r} is not a tenant name: a-z, 0-9, '-' and '_', 63 characters at most")
    if len(plan) > _MAX_PLAN or not plan.isprintable():
        raise ValueError(f"a plan has at most {_MAX_PLAN} printable characters")
    if len(languages) > _MAX_LANGUAGES or not all(map(_LANGUAGE.match, languages)):
        raise ValueError(f"languages are at most {_MAX_LANGUAGES} BCP 47 tags such as de or de-AT")
    now = int(time.time())
    claims = {
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "sub": user,
        "tenant": tenant,
        "role": Role(role).value,
        "iat": now,
        "exp": now + int(min(lifetime, settings.jwt_max_lifetime)),
        "jti": str(uuid4()),
        **({"plan": plan} if plan else {}),
        **({"langs": list(languages)} if languages else {}),
    }
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256")


class TokenVerifier:
    """Checks tokens: HS256 by the secret, RS256 and ES256 by the key set where one is given."""

    def __init__(self, *, secret: str, issuer: str, audience: str, max_lifetime: float, keys: KeySet | None) -> None:
        self._secret = secret
        self._issuer = issuer
        self._audience = audience
        self._max_lifetime = max_lifetime
        self._keys = keys
        self._known: dict[bytes, Claims] = {}
        """What tokens say that were found sound before, by their digests. Only those signed with the secret, which does
        not change while this runs."""

    async def verify(self, token: str) -> Claims:
        """Return what `token` says. Raises `Unauthenticated` with TOKEN_INVALID or TOKEN_EXPIRED."""
        if len(token) > _MAX_TOKEN_BYTES:
            raise _invalid("the token is too large")
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None:
            if time.time() <= known.expires_at + _LEEWAY:
                return known
            del self._known[digest]
        header, payload = _parts(token)
        key, algorithm = await self._key(header)
        _check_signature(token, key, algorithm)
        claims = self._claims(payload)
        if algorithm == "HS256":
            if len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[digest] = claims
        return claims

    async def _key(self, header: dict[str, Any]) -> tuple[Any, str]:
        if "crit" in header:
            raise _invalid("the token has critical extensions")
        if str(header.get("typ", "JWT")).lower() not in _TYPES:
            raise _invalid("the token is of another type")
        key_id = header.get("kid")
        if key_id is not None and not (isinstance(key_id, str) and _KEY_ID.match(key_id)):
            raise _invalid("the token's key id is malformed")
        algorithm = header.get("alg")
        if algorithm == "HS256":
            return self._secret, algorithm
        if algorithm in ("RS256", "ES256") and self._keys is not None and key_id is not None:
            key = await self._keys.find(key_id, algorithm)
            if key is not None:
                return key, algorithm
        raise _invalid("the token is signed in a way that is not accepted")

    def _claims(self, payload: dict[str, Any]) -> Claims:
        now = time.time()
        expires, issued = _time(payload, "exp"), _time(payload, "iat")
        if payload.get("iss") != self._issuer:
            raise _invalid("the token comes from another issuer")
        audience = payload.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise _invalid("the token is meant for another audience")
        if expires - issued > self._max_lifetime or expires <= issued:
            raise _invalid("the token's lifetime is not allowed")
        if issued > now + _LEEWAY or ("nbf" in payload and _time(payload, "nbf") > now + _LEEWAY):
            raise Unauthenticated("the token is not valid yet", reason="TOKEN_EXPIRED")
        if now > expires + _LEEWAY:
            raise Unauthenticated("the token has expired", reason="TOKEN_EXPIRED")
        tenant, user, role = payload.get("tenant"), payload.get("sub"), payload.get("role")
        if not (isinstance(tenant, str) and _SLUG.match(tenant)):
            raise _invalid("the token names no tenant")
        if not (isinstance(user, str) and 0 < len(user) <= LONGEST_USER_ID and user.isprintable()):
            raise _invalid("the token names no user")
        if not isinstance(role, str) or role not in set(Role):
            raise _invalid("the token names no known role")
        token_id = payload.get("jti", "")
        if not isinstance(token_id, str) or len(token_id) > 128:
            raise _invalid("the token's id is malformed")
        return Claims(tenant, user, Role(role), token_id, expires, _plan(payload), _languages(payload))


def _plan(payload: dict[str, Any]) -> str:
    plan = payload.get("plan", "")
    if not isinstance(plan, str) or len(plan) > _MAX_PLAN or not plan.isprintable():
        raise _invalid("the token's plan is malformed")
    return plan


def _languages(payload: dict[str, Any]) -> tuple[str, ...]:
    languages = payload.get("langs", [])
    if not isinstance(languages, list) or len(languages) > _MAX_LANGUAGES:
        raise _invalid("the token's langs are malformed")
    if not all(isinstance(language, str) and _LANGUAGE.match(language) for language in languages):
        raise _invalid("the token's langs are malformed")
    return tuple(languages)


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    pieces = token.split(".")
    if len(pieces) != 3:
        raise _invalid("this is not a token")
    try:
        header, payload = (
            json.loads(base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4)), object_pairs_hook=_no_doubles)
            for piece in pieces[:2]
        )
    except (ValueError, binascii.Error, RecursionError) as error:
        raise _invalid("the token does not parse") from error
    if not (isinstance(header, dict) and isinstance(payload, dict)):
        raise _invalid("the token does not parse")
    return header, payload


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a claim stands twice")
    return result


def _check_signature(token: str, key: Any, algorithm: str) -> None:
    if algorithm == "HS256":
        return _check_secret(token, key)
    try:
        jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            options={
                "verify_signature": True,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise _invalid("the token's signature does not fit") from error


@cache
def _hmac() -> jwt.algorithms.Algorithm:
    return jwt.get_algorithm_by_name("HS256")


def _check_secret(token: str, secret: str) -> None:
    """The library's check of the signature alone: what else `decode` does for each token is done here already."""
    signed, _, signature = token.rpartition(".")
    try:
        given = base64.b64decode(signature + "=" * (-len(signature) % 4), altchars=b"-_", validate=True)
        sound = _hmac().verify(signed.encode(), secret.encode(), given)
    except ValueError as error:
        raise _invalid("the token's signature does not fit") from error
    if not sound:
        raise _invalid("the token's signature does not fit")


def _time(payload: dict[str, Any], claim: str) -> float:
    value = payload.get(claim)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _invalid(f"the token's {claim} is not a time")
    if not 0 <= value <= _LATEST_TIME:
        raise _invalid(f"the token's {claim} is not a time")
    return float(value)


def _invalid(message: str) -> Unauthenticated:
    return Unauthenticated(message, reason="TOKEN_INVALID")
