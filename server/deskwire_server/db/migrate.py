"""Brings the schema to the newest version. Forward only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from deskwire_server.db import urls

_LOCK = 0x6465736B77697265
"""Advisory lock of migrations ("deskwire"), so that replicas that start together take turns."""


def upgrade_blocking(owner_url: str, revision: str = "head") -> None:
    """Migrate to `revision`. Blocks; safe to call from several processes at once. Raises what the driver raises."""
    command.upgrade(_config(owner_url), revision)


async def upgrade(owner_url: str, revision: str = "head") -> None:
    """Migrate to `revision` without blocking the event loop."""
    if revision == "head" and await is_current(owner_url):
        return
    await asyncio.to_thread(upgrade_blocking, owner_url, revision)


def head() -> str:
    """The newest version that this code knows."""
    return ScriptDirectory.from_config(_config("postgresql://unused")).get_current_head() or ""


async def current(url: str) -> str | None:
    """The version of the database at `url`, None before the first migration."""
    connection = await asyncpg.connect(urls.for_asyncpg(url), timeout=5)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return None
        version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        return version
    finally:
        await connection.close()


async def is_current(url: str) -> bool:
    """Whether nothing is left to migrate."""
    return await current(url) == head()


def _config(owner_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = owner_url
    config.attributes["lock"] = _LOCK
    return config
