"""Tokens that the server itself signs."""

from __future__ import annotations

import time

import jwt
import pytest

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.auth.tokens import TokenVerifier, mint
from deskwire_server.errors import InvalidArgument, PermissionDenied
from deskwire_server.ids import uuid7
from deskwire_server.settings import Settings

SETTINGS = Settings(_env_file=None)


def verifier() -> TokenVerifier:
    return TokenVerifier(
        secret=SETTINGS.jwt_secret.get_secret_value(), issuer="deskwire", audience="deskwire",
        max_lifetime=SETTINGS.jwt_max_lifetime, keys=None,
    )  # fmt: skip


@pytest.mark.parametrize("role", list(Role))
async def test_what_is_minted_is_accepted(role: Role) -> None:
    said = await verifier().verify(mint(SETTINGS, tenant="acme", user="ana@example.com", role=role))
    assert (said.tenant, said.user_id, said.role) == ("acme", "ana@example.com", role)
    assert said.token_id
    assert 86_000 < said.expires_at - time.time() <= 86_400


async def test_a_life_is_bounded() -> None:
    token = mint(SETTINGS, tenant="acme", user="ana", role="user", lifetime=10**9)
    assert (await verifier().verify(token)).expires_at - time.time() <= SETTINGS.jwt_max_lifetime
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == "deskwire"


@pytest.mark.parametrize("tenant", ["", "Acme", "a b", "../x", "-x", "x" * 64, "acme\n"])
def test_names_that_are_none(tenant: str) -> None:
    with pytest.raises(ValueError, match="tenant name"):
        mint(SETTINGS, tenant=tenant, user="ana", role="user")


def test_roles_that_are_none() -> None:
    with pytest.raises(ValueError, match="owner"):
        mint(SETTINGS, tenant="acme", user="ana", role="owner")


def test_a_caller_s_rights() -> None:
    tenant = uuid7()
    user, service = (Caller(tenant, "acme", "sam", role) for role in (Role.USER, Role.SERVICE))
    user.require(Role.USER, Role.ADMIN)
    with pytest.raises(PermissionDenied) as refused:
        user.require(Role.ADMIN, Role.SERVICE)
    assert refused.value.metadata == {"required": "admin,service"}
    assert not user.sees_all
    assert service.sees_all
    assert user.acting_for("dora", field="user_id").user_id == "sam"
    assert service.acting_for("", field="user_id").user_id == "sam"
    assert service.acting_for("dora", field="user_id").user_id == "dora"
    for name in ("x" * 201, "a\nb"):
        assert user.acting_for(name, field="user_id") is user
        with pytest.raises(InvalidArgument) as invalid:
            service.acting_for(name, field="user_id")
        assert invalid.value.violations[0].field == "user_id"
    for named in ("", "acme", str(tenant)):
        user.require_tenant(named)
    with pytest.raises(PermissionDenied) as mismatch:
        service.require_tenant("globex")
    assert mismatch.value.reason == "TENANT_MISMATCH"
