"""A real Postgres, a real embedder and the real knowledge service, for as long as a measurement takes."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db.engine import Database
from deskwire_server.db.migrate import upgrade_blocking
from deskwire_server.db.urls import for_asyncpg
from deskwire_server.embeddings.local import LocalEmbedder
from deskwire_server.knowledge.service import KnowledgeService
from tests.support.postgres import TestPostgres, start_test_postgres


@dataclass(frozen=True, slots=True)
class Stage:
    """What a measurement runs on."""

    service: KnowledgeService
    caller: Caller
    embedder: LocalEmbedder
    database: Database


@contextmanager
def postgres() -> Iterator[TestPostgres]:
    """An empty, migrated database."""
    with tempfile.TemporaryDirectory(prefix="deskwire-eval-") as folder:
        server = start_test_postgres(Path(folder))
        try:
            upgrade_blocking(server.owner_url)
            yield server
        finally:
            server.stop()


@asynccontextmanager
async def stage(server: TestPostgres) -> AsyncIterator[Stage]:
    """A tenant of its own with the embedder beside it."""
    async with _embedder() as embedder:
        database = Database(server.app_url)
        try:
            caller = await _tenant(server)
            yield Stage(KnowledgeService(database, embedder), caller, embedder, database)
        finally:
            await database.close()


async def _tenant(server: TestPostgres) -> Caller:
    connection = await asyncpg.connect(for_asyncpg(server.app_url))
    try:
        row = await connection.fetchrow("SELECT id FROM tenant_ensure('eval')")
    finally:
        await connection.close()
    return Caller(row["id"], "eval", "eval", Role.ADMIN)


@asynccontextmanager
async def _embedder() -> AsyncIterator[LocalEmbedder]:
    with tempfile.TemporaryDirectory(prefix="deskwire-eval-") as folder:
        socket = Path(folder) / "embedder.sock"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deskwire_server.embeddings.process", "--socket", str(socket), "--die-with-parent",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        embedder = LocalEmbedder(socket)
        try:
            assert process.stdout is not None
            if await asyncio.wait_for(process.stdout.readline(), 30) != b"ready\n":
                raise RuntimeError("the embedder did not start")
            yield embedder
        finally:
            await embedder.close()
            if process.returncode is None:
                process.terminate()
                await process.wait()
