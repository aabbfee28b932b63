"""Turns the headers of a call into a `Caller`."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from deskwire_server.auth.caller import Caller
from deskwire_server.auth.revocation import RevocationList
from deskwire_server.auth.tokens import TokenVerifier
from deskwire_server.errors import PermissionDenied, Unauthenticated
from deskwire_server.tenants.service import TenantDirectory

ACTING_USER_HEADER = "x-deskwire-user"


class Authenticator:
    """Checks the token, its revocation and its tenant."""

    def __init__(self, verifier: TokenVerifier, tenants: TenantDirectory, revocations: RevocationList) -> None:
        self._verifier = verifier
        self._tenants = tenants
        self._revocations = revocations

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """The caller of these headers. Raises `Unauthenticated`, or `PermissionDenied` for a suspended tenant."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not token or scheme.lower() != "bearer":
            raise Unauthenticated("the call carries no bearer token", reason="TOKEN_MISSING")
        claims = await self._verifier.verify(token.strip())
        tenant = await self._tenants.find(claims.tenant)
        if tenant is None:
            raise Unauthenticated("the token names no known tenant", reason="TOKEN_INVALID")
        if self._is_revoked(tenant.id, claims.token_id):
            raise Unauthenticated("the token was revoked", reason="TOKEN_REVOKED")
        if tenant.status != "active":
            raise PermissionDenied("the tenant is suspended", reason="TENANT_SUSPENDED")
        caller = Caller(
            tenant.id, claims.tenant, claims.user_id, claims.role, claims.token_id, claims.plan, claims.languages
        )
        return caller.acting_for(headers.get(ACTING_USER_HEADER, ""), field=ACTING_USER_HEADER)

    def _is_revoked(self, tenant_id: UUID, token_id: str) -> bool:
        return bool(token_id) and self._revocations.contains(tenant_id, token_id)
