"""Finds the tenant that a token names."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from deskwire_server.db.engine import Database

_CACHED_FOR = 2.0
"""Seconds after which a suspension is seen everywhere, at the latest."""
_SETTINGS_CACHED_FOR = 10.0
"""Seconds after which a changed setting of a tenant is heeded, at the latest."""
_MAX_CACHED = 10_000
_LATELY = 600.0


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as calls need it."""

    id: UUID
    slug: str
    status: str
    settings: dict[str, Any]


class TenantDirectory:
    """Tenants by slug, cached for two seconds. Where `create_on_first_use` is set, an unknown slug makes a tenant."""

    def __init__(self, database: Database, *, create_on_first_use: bool) -> None:
        self._database = database
        self._query = (
            f"SELECT id, status, settings FROM {'tenant_ensure' if create_on_first_use else 'tenant_find'}($1)"
        )
        self._cache: dict[str, tuple[float, Tenant | None]] = {}
        self._settings: dict[UUID, tuple[float, dict[str, Any]]] = {}

    def served_lately(self) -> list[UUID]:
        """Tenants whose calls came to this worker in the last ten minutes."""
        since = time.monotonic() - _LATELY
        return [tenant.id for seen, tenant in self._cache.values() if tenant is not None and seen > since]

    async def find(self, slug: str) -> Tenant | None:
        """The tenant of this slug, or None."""
        now = time.monotonic()
        cached = self._cache.get(slug)
        if cached is not None and now - cached[0] < _CACHED_FOR:
            return cached[1]
        row = await self._database.fetchrow("SELECT id, status, settings FROM tenant_find($1)", slug)
        if row is None:
            row = await self._database.fetchrow(self._query, slug)
        tenant = None if row is None else Tenant(row["id"], slug, row["status"], row["settings"])
        if len(self._cache) >= _MAX_CACHED:
            self._cache.clear()
        self._cache[slug] = (now, tenant)
        return tenant

    async def settings_of(self, tenant_id: UUID) -> dict[str, Any]:
        """What a tenant has set; empty for an unknown one. Raises `DatabaseUnavailable`."""
        now = time.monotonic()
        cached = self._settings.get(tenant_id)
        if cached is not None and now - cached[0] < _SETTINGS_CACHED_FOR:
            return cached[1]
        row = await self._database.fetchrow("SELECT tenant_settings($1) AS settings", tenant_id)
        settings: dict[str, Any] = (row["settings"] if row is not None else None) or {}
        if len(self._settings) >= _MAX_CACHED:
            self._settings.clear()
        self._settings[tenant_id] = (now, settings)
        return settings
