"""Starts the parts of a stack in order, keeps them running, and stops them all."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from deskwire_server.settings import Settings
from deskwire_server.stack import envoy, programs, state
from deskwire_server.stack.child import Child, bound_log
from deskwire_server.stack.errors import StackError
from deskwire_server.stack.files import DataFolder, write_private
from deskwire_server.stack.launch import Command
from deskwire_server.stack.ports import Ports, choose_listeners
from deskwire_server.stack.postgres import EmbeddedPostgres
from deskwire_server.stack.state import DatabaseUrls, ProcessId, RunState
from deskwire_server.stack.valkey import EmbeddedValkey

LOG_LIMIT = 10 * 1024 * 1024
"""Bytes of one log file; as many again are kept of what went before."""
_EMBEDDER_CHECK_INTERVAL = 15.0
_LOG_CHECK_INTERVAL = 10.0
_WORKER_PATIENCE, _PATIENCE = 2.4, 2.0
"""Seconds that workers, then all others get to end by themselves: together below the 5 s that stopping may take."""
_READY_TIMEOUT, _EMBEDDER_TIMEOUT = 60.0, 20.0
_PROBE_INTERVAL = 0.05


class Stack:
    """All parts on one machine, below one data folder."""

    def __init__(self, settings: Settings, report: Callable[[str], None]) -> None:
        """`report` gets a sentence for a person whenever something noteworthy happens."""
        self.folder = DataFolder(settings.data_dir)
        self.settings = settings
        self._report = report
        self._children: list[Child] = []
        self._workers: list[Child] = []
        self._keepers: set[asyncio.Task[None]] = set()
        self._ports = Ports()
        self._state: RunState | None = None
        self._demo_marker = self.folder.root / "demo-loaded"
        self._demo_loaded = False

    @property
    def state(self) -> RunState:
        """Addresses of the running parts. Raises RuntimeError before they are known."""
        if self._state is None:
            raise RuntimeError("the stack has not started")
        return self._state

    async def start(self, *, demo: bool = False) -> None:
        """Start everything and return when calls are answered. Hold the folder's lock. Raises StackError.

        With `demo` the demo tenant is there by then, too: the first time it is loaded before anybody can ask.
        """
        await asyncio.to_thread(state.end_leftovers, self.folder)
        self.settings = choose_listeners(self.settings)
        self._ports = Ports((self.settings.http_port, self.settings.grpc_port))
        ports = [(self._ports.hold(), self._ports.hold()) for _ in range(self.settings.workers)]
        admin_socket = self.folder.socket_path("envoy-admin.sock")
        embedder_socket = self._embedder_socket()
        imports = asyncio.create_task(programs.import_migrations())
        wants_embedder = programs.wants_embedder(self.settings)
        embedder = asyncio.create_task(self._start_embedder(embedder_socket if wants_embedder else None))
        try:
            database, redis_url, proxy = await _together(
                self._start_database(imports), self._start_redis(), self._start_envoy(ports, admin_socket)
            )
            await imports
            if database.owner is not None:
                await programs.migrate(database.owner)
            self._state = self._describe(database, redis_url, ports, admin_socket, embedder_socket)
            if demo and not self._demo_marker.exists():
                await embedder
                await self.run_demo()
            for number, pair in enumerate(ports, 1):
                await self._start_worker(number, pair)
            await self._until_served(proxy, admin_socket)
            await embedder
        finally:
            await _end(imports)
            await _end(embedder)
        self.state.save(self.folder)
        self._keep(asyncio.create_task(self._bound_logs()))
        if embedder_socket is not None and not wants_embedder:
            self._keep(asyncio.create_task(self._start_embedder_when_used(embedder_socket)))

    async def run_demo(self) -> None:
        """Load the demo tenant, which decides itself whether there is anything to do. Ends with a report on failure."""
        if self._demo_loaded:
            return
        child = Child(
            "The demo tenant", lambda: programs.demo(self.settings, self.state), self.folder.logs / "demo.log"
        )
        self._workers.append(child)
        await child.start()
        code = await child.wait()
        self._demo_loaded = code == 0
        if self._demo_loaded:
            self._demo_marker.touch()
        elif code != -signal.SIGTERM:
            self._report(f"The demo tenant was not loaded. {child.log_end(4)}")
        self._workers.remove(child)

    async def stop(self) -> None:
        """Stop everything within 5 s: first the workers, which tell their callers, then what they stand on."""
        for task in self._keepers:
            task.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(child.stop(_WORKER_PATIENCE) for child in self._workers))
        await asyncio.gather(*(child.stop(_PATIENCE) for child in self._children))
        self._ports.release()
        state.forget(self.folder)
        self.folder.remove_short_sockets()

    def kill(self) -> None:
        """End everything at once; Postgres and Valkey recover at the next start."""
        for child in (*self._workers, *self._children):
            child.send(signal.SIGKILL)

    async def _start_database(self, imports: asyncio.Task[None]) -> DatabaseUrls:
        if self.settings.database_url is not None:
            # Late because it brings SQLAlchemy along, which the embedded one's start need not wait for; and only when
            # the thread has loaded that, since two threads in one circle of imports see each other's half modules.
            await imports
            from deskwire_server.stack.database import external

            return await external(self.settings, self.folder)
        postgres = EmbeddedPostgres(self.folder, ports=self._ports)
        await asyncio.to_thread(postgres.prepare)
        child = self._child("PostgreSQL", postgres.command, "postgres", before_start=postgres.clear_leftovers)
        await child.start()
        self._watch(child)
        await child.until_ready(postgres.wait_ready(_READY_TIMEOUT))
        await postgres.provision()
        urls = postgres.urls
        return DatabaseUrls(app=urls.app, system=urls.system, owner=urls.owner, superuser=urls.superuser)

    async def _start_redis(self) -> str:
        if self.settings.redis_url is not None:
            return self.settings.redis_url.get_secret_value()
        valkey = EmbeddedValkey(self.folder, ports=self._ports)
        valkey.prepare()
        child = self._child("Valkey", valkey.command, "valkey")
        await child.start()
        self._watch(child)
        await child.until_ready(valkey.wait_ready())
        return valkey.url

    async def _start_envoy(self, ports: list[tuple[int, int]], admin_socket: Path) -> Child:
        config = envoy.config_of(
            self.settings, workers=ports, admin_socket=admin_socket, access_log=self.folder.logs / "access.log"
        )
        config_file = self.folder.run / "envoy.yaml"
        write_private(config_file, envoy.render(config))
        _clear(admin_socket)
        child = self._child("Envoy", lambda: envoy.command(config_file), "envoy")
        await child.start()
        return child

    def _embedder_socket(self) -> Path | None:
        if not programs.wants_embedder(self.settings) and not programs.may_want_embedder(self.settings):
            return None
        return self.settings.embedder_socket or self.folder.socket_path("embedder.sock")

    async def _start_embedder(self, path: Path | None) -> None:
        """Start the local embedder. Without it search goes on by words alone, so a failure is only reported."""
        if path is None:
            return
        _clear(path)
        child = self._child("The embedder", lambda: programs.embedder(path), "embedder")
        await child.start()
        self._note_children()
        try:
            await child.until_ready(_until_listening(path, _EMBEDDER_TIMEOUT))
        except StackError as error:
            self._report(f"{error}\nSearch goes on without vectors, by words alone.")
            return
        self._watch(child)

    async def _start_embedder_when_used(self, path: Path) -> None:
        """Start the local embedder once a tenant is on local embeddings; where none is, its memory is saved."""
        system_url = self.state.database_system_url
        while system_url is not None:
            if await programs.uses_local_vectors(system_url):
                await self._start_embedder(path)
                return
            await asyncio.sleep(_EMBEDDER_CHECK_INTERVAL)

    async def _start_worker(self, number: int, ports: tuple[int, int]) -> None:
        child = Child(
            f"Worker {number}", lambda: programs.worker(self.settings, self.state, ports),
            self.folder.logs / f"worker-{number}.log",
        )  # fmt: skip
        self._workers.append(child)
        await child.start()

    async def _until_served(self, proxy: Child, admin_socket: Path) -> None:
        """Wait until Envoy sees every worker serving; then watch them all."""
        first = [proxy, *self._workers]
        self._note_children()
        served = asyncio.create_task(_until_healthy(admin_socket, len(self._workers)))
        try:
            await _together(*(child.until_ready(_shielded(served)) for child in first))
        finally:
            await _end(served)
        for child in first:
            self._watch(child)

    def _child(
        self, name: str, command: Callable[[], Command], log: str, *, before_start: Callable[[], None] | None = None
    ) -> Child:
        child = Child(name, command, self.folder.logs / f"{log}.log", before_start=before_start)
        self._children.append(child)
        return child

    def _watch(self, child: Child) -> None:
        self._note_children()
        self._keep(asyncio.create_task(child.keep_alive(self._report, self._note_children)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._keepers.add(task)

    def _note_children(self) -> None:
        known = {}
        for child in (*self._workers, *self._children):
            with suppress(psutil.NoSuchProcess):
                if child.pid is not None:
                    known[child.name] = ProcessId.of(child.pid)
        state.save_children(self.folder, known)

    async def _bound_logs(self) -> None:
        while True:
            for log in self.folder.logs.glob("*.log"):
                await asyncio.to_thread(bound_log, log, LOG_LIMIT)
            await asyncio.sleep(_LOG_CHECK_INTERVAL)

    def _describe(
        self, database: DatabaseUrls, redis_url: str, ports: list[tuple[int, int]], admin: Path, embedder: Path | None
    ) -> RunState:
        settings = self.settings
        host = programs.reachable_host(settings.host)
        return RunState(
            launcher=ProcessId.of(psutil.Process().pid),
            http_url=f"{'https' if settings.tls_certificate else 'http'}://{host}:{settings.http_port}",
            grpc_address=f"{host}:{settings.grpc_port}",
            database_url=database.app,
            database_system_url=database.system,
            database_owner_url=database.owner,
            database_superuser_url=database.superuser,
            redis_url=redis_url,
            embedder_socket=str(embedder) if embedder else None,
            admin_socket=str(admin),
            workers=[list(pair) for pair in ports],
        )


def _clear(socket: Path) -> None:
    """Remove what a killed server left of its socket."""
    socket.unlink(missing_ok=True)


async def _until_healthy(admin_socket: Path, workers: int) -> None:
    async with asyncio.timeout(_READY_TIMEOUT):
        while True:
            with suppress(OSError):
                if await envoy.healthy_workers(admin_socket) == workers:
                    return
            await asyncio.sleep(_PROBE_INTERVAL)


async def _until_listening(path: Path, timeout: float) -> None:
    async with asyncio.timeout(timeout):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_unix_connection(str(path))
                writer.close()
                return
            await asyncio.sleep(_PROBE_INTERVAL)


async def _shielded(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)


async def _together(*parts: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run all at once; the first error ends the others and is raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            await _end(task)


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
