"""The commands `token` and `revoke`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from deskwire_server.cli.connect import mint
from deskwire_server.cli.exits import CommandError, Exit


class RoleName(StrEnum):
    """Roles that a token can be made for."""

    USER = "user"
    AGENT = "agent"
    ADMIN = "admin"
    SERVICE = "service"


def token_command(
    tenant: Annotated[str, typer.Option(help="Tenant that the token is for.")] = "demo",
    user: Annotated[str, typer.Option(help="User that it speaks for.")] = "ana",
    role: Annotated[RoleName, typer.Option(help="What it allows.")] = RoleName.USER,
    ttl: Annotated[int | None, typer.Option(min=1, help="Seconds until it ends; a day by default.")] = None,
    plan: Annotated[str, typer.Option(help="Plan of the user, for the audiences of articles.")] = "",
    lang: Annotated[list[str] | None, typer.Option(help="Language that the user reads; may be given again.")] = None,
) -> None:
    """Print a token for a user of a tenant.

    It is signed with JWT_SECRET; nothing else is printed, so that a script can take it as it is.
    """
    from deskwire_server.settings import Settings

    settings = Settings()
    if ttl is not None and ttl > settings.jwt_max_lifetime:
        raise CommandError(f"--ttl is at most JWT_MAX_LIFETIME, {settings.jwt_max_lifetime} s", code=Exit.USAGE)
    if not user or len(user) > 200 or not user.isprintable():
        raise CommandError("--user must be 1 to 200 printable characters", code=Exit.USAGE)
    print(mint(settings, tenant=tenant, user=user, role=role.value, lifetime=ttl, plan=plan, languages=lang or ()))


def revoke_command(token: Annotated[str, typer.Argument(help="The token itself.")]) -> None:
    """Make a token worthless before its time.

    Every server refuses it within a few seconds. Only tokens that these settings accept can be revoked.
    """
    import asyncio

    from deskwire_server.auth import revocation, tokens
    from deskwire_server.cli.owner import owner_url
    from deskwire_server.settings import Settings

    settings = Settings()
    verifier = tokens.TokenVerifier(
        secret=settings.jwt_secret.get_secret_value(),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        max_lifetime=settings.jwt_max_lifetime,
        keys=None,
    )

    async def revoke() -> None:
        claims = await verifier.verify(token.strip())
        if not claims.token_id:
            raise CommandError("the token has no `jti`, by which it could be revoked")
        if not await revocation.revoke(
            owner_url(settings), tenant=claims.tenant, token_id=claims.token_id, expires_at=claims.expires_at
        ):
            raise CommandError(f"there is no tenant {claims.tenant}", code=Exit.NOT_FOUND)
        print(f"Revoked the token of {claims.user_id} in {claims.tenant}.")

    asyncio.run(revoke())
