"""What operators do with tenants from the command line, as the database's owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from deskwire_server.db import urls
from deskwire_server.errors import AlreadyExists, InvalidArgument, NotFound


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant as operators see it."""

    id: UUID
    slug: str
    name: str
    status: str
    created_at: datetime


_COLUMNS = "id, slug, name, status, created_at"


async def create(owner_url: str, slug: str, name: str = "") -> TenantRow:
    """Make a tenant. Raises `AlreadyExists`, `InvalidArgument`."""
    async with _connection(owner_url) as connection:
        try:
            row = await connection.fetchrow(
                f"INSERT INTO tenants (slug, name) VALUES ($1, $2) RETURNING {_COLUMNS}", slug, name or slug
            )
        except asyncpg.UniqueViolationError as error:
            raise AlreadyExists(f"tenant {slug} exists already", metadata={"resource": "tenant"}) from error
        except asyncpg.CheckViolationError as error:
            raise InvalidArgument.field(
                "slug", "must be a-z, 0-9, '-' and '_', begin with a letter or digit, 63 characters at most"
            ) from error
        return TenantRow(*row)


async def suspend(owner_url: str, slug: str) -> TenantRow:
    """Stop a tenant: its calls are refused within two seconds. Raises `NotFound`."""
    return await _set_status(owner_url, slug, "suspended")


async def resume(owner_url: str, slug: str) -> TenantRow:
    """Let a suspended tenant go on. Raises `NotFound`."""
    return await _set_status(owner_url, slug, "active")


async def change_settings(owner_url: str, slug: str, values: dict[str, Any]) -> dict[str, Any]:
    """Set what `values` names, take back what it names as None. Returns all settings. Raises `NotFound`."""
    changed = orjson.dumps({key: value for key, value in values.items() if value is not None}).decode()
    removed = [key for key, value in values.items() if value is None]
    async with _connection(owner_url) as connection:
        settings = await connection.fetchval(
            "UPDATE tenants SET settings = (settings || $2::jsonb) - $3::text[] WHERE slug = $1 RETURNING settings",
            slug,
            changed,
            removed,
        )
        if settings is None:
            raise NotFound.of("tenant")
        kept: dict[str, Any] = orjson.loads(settings)
        return kept


async def list_all(owner_url: str) -> list[TenantRow]:
    """Every tenant by slug."""
    async with _connection(owner_url) as connection:
        return [TenantRow(*row) for row in await connection.fetch(f"SELECT {_COLUMNS} FROM tenants ORDER BY slug")]


async def _set_status(owner_url: str, slug: str, status: str) -> TenantRow:
    async with _connection(owner_url) as connection:
        row = await connection.fetchrow(
            f"UPDATE tenants SET status = $2 WHERE slug = $1 RETURNING {_COLUMNS}", slug, status
        )
        if row is None:
            raise NotFound.of("tenant")
        return TenantRow(*row)


@asynccontextmanager
async def _connection(owner_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(urls.for_asyncpg(owner_url), timeout=5)
    try:
        yield connection
    finally:
        await connection.close()
