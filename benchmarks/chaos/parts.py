"""The processes of a run and the links between them: two replicas behind one Envoy, on one Postgres and Valkey."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakKeyDictionary

import asyncpg
import psutil

from benchmarks.chaos.links import Link
from benchmarks.chaos.question import Question
from benchmarks.chaos.schedule import CLIENT_LINKS, REPLICAS, Part
from deskwire_server.db import migrate
from deskwire_server.settings import Settings
from deskwire_server.stack import envoy
from deskwire_server.stack.child import Child
from deskwire_server.stack.files import DataFolder, write_private
from deskwire_server.stack.launch import Command
from deskwire_server.stack.ports import find_free
from deskwire_server.stack.postgres import EmbeddedPostgres
from deskwire_server.stack.valkey import EmbeddedValkey

_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")
_PROBE = 0.05
_READY_LIMIT = 60.0
_PATIENCE = 8.0


class Parts:
    """Everything that runs. Children are kept alive by the stack's own keeper, so a killed one comes back by itself."""

    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        """`report` gets a sentence whenever a child ended."""
        self.folder = DataFolder(folder)
        self.provider_log = folder / "provider.log"
        self.links: dict[str, Link] = {}
        self.children: dict[str, Child] = {}
        self._report = report
        self.outgoing = Outgoing()
        self._keepers: list[asyncio.Task[None]] = []
        self._ready: dict[str, Callable[[], Awaitable[None]]] = {}
        self._ports: dict[str, int] = {}

    @property
    def client_addresses(self) -> list[str]:
        """Addresses by which clients reach Envoy, each a link of its own."""
        return [f"127.0.0.1:{self.links[name].port}" for name in CLIENT_LINKS]

    @property
    def database_url(self) -> str:
        """The database as its superuser sees it, past every link and policy."""
        return urlunsplit(urlsplit(self._postgres.urls.superuser)._replace(path="/deskwire"))

    async def start(self) -> None:
        """Start everything and return when calls are answered."""
        self.folder.create()
        await self._start_postgres()
        await self._start_valkey()
        await self._start_provider()
        for part in REPLICAS:
            await self._start_replica(part)
        await self._start_envoy()
        for name in self.children:
            await self.until_ready(name)
        await self.until_routed()

    async def stop(self) -> None:
        """Stop everything, replicas first."""
        for child in self.children.values():
            child.send(signal.SIGCONT)
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        first = [self.children[name] for name in (*REPLICAS, Part.ENVOY) if name in self.children]
        await asyncio.gather(*(child.stop(_PATIENCE) for child in first))
        await asyncio.gather(*(child.stop(_PATIENCE) for child in self.children.values()))
        for link in self.links.values():
            link.close()

    async def until_ready(self, name: str, limit: float = _READY_LIMIT) -> None:
        """Return once a part does its work again. Raises TimeoutError."""
        async with asyncio.timeout(limit):
            # The keeper starts it again a little after it ended.
            while self.children[name].pid is None:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(_PROBE)
            await self._ready[name]()

    def family(self, name: str) -> list[psutil.Process]:
        """The processes of a part."""
        pid = self.children[name].pid
        if pid is None:
            return []
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            return [process, *process.children(recursive=True)]
        return []

    async def _start(
        self,
        name: str,
        command: Callable[[], Command],
        ready: Callable[[], Awaitable[None]],
        before: Callable[[], None] | None = None,
    ) -> None:
        child = Child(name, command, self.folder.logs / f"{name}.log", before_start=before)
        self.children[name], self._ready[name] = child, ready
        await child.start()
        self._keepers.append(asyncio.create_task(child.keep_alive(self._report, lambda: None), name=f"keep-{name}"))

    async def _link(self, name: str, target: int) -> int:
        link = self.links[name] = Link(name, target)
        await link.open()
        return link.port

    async def _start_postgres(self) -> None:
        self._postgres = EmbeddedPostgres(self.folder)
        await asyncio.to_thread(self._postgres.prepare)
        await self._start(Part.POSTGRES, self._postgres.command, self._until_accepting, self._postgres.clear_leftovers)
        await self._until_accepting()
        await self._postgres.provision()
        await migrate.upgrade(self._postgres.urls.owner)

    async def _until_accepting(self) -> None:
        """Wait for Postgres. It is asked seldom: each question costs the recovering server a process."""
        while True:
            with suppress(OSError, asyncpg.PostgresError):
                connection = await asyncpg.connect(self._postgres.urls.superuser, timeout=5)
                await connection.close()
                return
            await asyncio.sleep(2 * _PROBE)

    async def _start_valkey(self) -> None:
        self._valkey = EmbeddedValkey(self.folder)
        self._valkey.prepare()
        await self._start(Part.VALKEY, self._valkey.command, self._valkey.wait_ready)

    async def _start_provider(self) -> None:
        port = self._ports[Part.PROVIDER] = find_free()
        argv = [sys.executable, "-m", "benchmarks.chaos.provider", str(port), str(self.provider_log)]
        command = Command(argv=argv, environment=_inherited(), folder=Path.cwd())
        await self._start(Part.PROVIDER, lambda: command, lambda: _until_listening(port))

    async def _start_replica(self, part: Part) -> None:
        grpc_port = find_free()
        http_port = find_free(avoid=(grpc_port,))
        self._ports[part] = http_port
        urls, through = self._postgres.urls, await self._link(f"{part}/postgres", self._postgres.port)
        valkey = await self._link(f"{part}/valkey", self._valkey.port)
        model = await self._link(f"{part}/provider", self._ports[Part.PROVIDER])
        self.links[f"{part}/provider"].tap = self.outgoing.heard
        await self._link(f"{part}/grpc", grpc_port)
        environment = _inherited() | {
            "DATABASE_URL": _with_port(urls.app, through),
            "DATABASE_SYSTEM_URL": _with_port(urls.system, through),
            "REDIS_URL": _with_port(self._valkey.url, valkey),
            "AI_SERVICE_URL": f"http://127.0.0.1:{model}/v1",
            "DESKWIRE_COMPATIBLE_MODEL": "chaos",
            "AI_DEFAULT_PROVIDER": "compatible",
            "DESKWIRE_EMBEDDER": "none",
            "DESKWIRE_ANALYSIS": "false",
            "DESKWIRE_RETRIEVAL": "false",
            "DESKWIRE_DATA_DIR": str(self.folder.root),
            "DESKWIRE_BEHIND_PROXY": "true",
            "DESKWIRE_WORKER_GRPC_PORT": str(grpc_port),
            "DESKWIRE_WORKER_HTTP_PORT": str(http_port),
            "DESKWIRE_DRAIN_GRACE": "5",
            "LOG_LEVEL": "WARNING",
        }
        argv = [sys.executable, "-m", "deskwire_server", "serve", "--workers", "1"]
        command = Command(argv=argv, environment=environment, folder=Path.cwd())
        await self._start(part, lambda: command, lambda: _until_serving(http_port))

    async def _start_envoy(self) -> None:
        http_port = find_free()
        port = find_free(avoid=(http_port,))
        for name in CLIENT_LINKS:
            await self._link(name, port)
        settings = Settings(_env_file=None, http_port=http_port, grpc_port=port)
        admin = self.folder.socket_path("envoy-admin.sock")
        config = envoy.config_of(
            settings,
            workers=[(self.links[f"{part}/grpc"].port, self._ports[part]) for part in REPLICAS],
            admin_socket=admin,
            access_log=self.folder.logs / "access.log",
        )
        file = self.folder.run / "envoy.yaml"
        write_private(file, envoy.render(config))

        self._admin = admin
        await self._start(
            Part.ENVOY,
            lambda: envoy.command(file),
            lambda: _until_routed(admin, 1),
            lambda: admin.unlink(missing_ok=True),
        )

    async def until_routed(self) -> None:
        """Return once both replicas serve and Envoy sends calls to both. Raises TimeoutError."""
        # Envoy alone would not do: it notices a death only after a while.
        for part in REPLICAS:
            await self.until_ready(part)
        async with asyncio.timeout(_READY_LIMIT):
            await _until_routed(self._admin, len(REPLICAS))


class Outgoing:
    """Counts the calls for answers that left for the model, whether they arrived or not."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._unfinished: WeakKeyDictionary[object, bytes] = WeakKeyDictionary()

    def heard(self, connection: object, data: bytes) -> None:
        """Take a piece of a request; its last question is the one that is asked."""
        known = self._unfinished.pop(connection, b"") + data
        if not known.rstrip().endswith(b"}"):
            self._unfinished[connection] = known
            return
        question = Question.last_in(known.decode(errors="replace"))
        if question is not None and b"<conversation>" not in known:
            self.calls[question.nonce] += 1


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


def _with_port(url: str, port: int) -> str:
    split = urlsplit(url)
    host = split.netloc.rpartition(":")[0]
    return urlunsplit(split._replace(netloc=f"{host}:{port}"))


async def _until_routed(admin: Path, replicas: int) -> None:
    while True:
        with suppress(OSError):
            if await envoy.healthy_workers(admin) >= replicas:
                return
        await asyncio.sleep(_PROBE)


async def _until_serving(http_port: int) -> None:
    """Wait until a replica says that it reaches its database."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
            try:
                writer.write(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                if b'deskwire_dependency_up{dependency="postgres"} 1.0' in await reader.read():
                    return
            finally:
                writer.close()
        await asyncio.sleep(2 * _PROBE)


async def _until_listening(port: int) -> None:
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(_PROBE)
