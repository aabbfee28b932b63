"""Revoked tokens: kept in Postgres, mirrored in memory so that no call waits for them."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from deskwire_server.db import urls
from deskwire_server.db.system import SystemDatabase


class RevocationList:
    """The tokens that no longer count. `refresh` is called every two seconds by the worker's housekeeping."""

    def __init__(self, system: SystemDatabase) -> None:
        self._system = system
        self._revoked: frozenset[tuple[UUID, str]] = frozenset()

    def contains(self, tenant_id: UUID, token_id: str) -> bool:
        """Whether this token was revoked, as of the last refresh."""
        return (tenant_id, token_id) in self._revoked

    async def refresh(self) -> None:
        """Read the list anew. Raises `DatabaseUnavailable`; the old list then stays in force."""
        rows = await self._system.fetch("SELECT tenant_id, token_id FROM revoked_tokens WHERE expires_at > now()")
        self._revoked = frozenset((row["tenant_id"], row["token_id"]) for row in rows)


async def revoke(owner_url: str, *, tenant: str, token_id: str, expires_at: float) -> bool:
    """Revoke one token, as an operator. Returns False when there is no such tenant."""
    connection = await asyncpg.connect(urls.for_asyncpg(owner_url), timeout=5)
    try:
        async with connection.transaction():
            row = await connection.fetchrow("SELECT id FROM tenants WHERE slug = $1", tenant)
            if row is None:
                return False
            await connection.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(row["id"]))
            await connection.execute(
                "INSERT INTO revoked_tokens (tenant_id, token_id, expires_at) VALUES ($1, $2, to_timestamp($3)) "
                "ON CONFLICT DO NOTHING",
                row["id"],
                token_id,
                expires_at + 3_600,
            )
            return True
    finally:
        await connection.close()
