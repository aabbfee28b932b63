"""Everything that is measured, side by side below one folder: the provider, the servers, what these stand on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.bench import processes
from benchmarks.bench.processes import Cores, Place, Process
from deskwire_server.db import migrate
from deskwire_server.settings import Settings
from deskwire_server.stack import envoy
from deskwire_server.stack.files import DataFolder
from deskwire_server.stack.launch import Command
from deskwire_server.stack.ports import find_free
from deskwire_server.stack.postgres import EmbeddedPostgres, PostgresUrls
from deskwire_server.stack.valkey import EmbeddedValkey

_START_LIMIT = 60.0
CORE_PROFILE = {"DESKWIRE_ANALYSIS": "off", "DESKWIRE_RETRIEVAL": "off", "DESKWIRE_BACKGROUND_JOBS": "off"}
"""Settings of the core profile: a question goes to the model with its history, and nothing else is done for it."""
STUBBED = "benchmarks.bench.stubbed"
"""The worker that keeps nothing."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A Deskwire worker."""

    process: Process
    grpc_port: int
    http_port: int

    @property
    def address(self) -> str:
        """Where it serves gRPC."""
        return f"127.0.0.1:{self.grpc_port}"


class Stage:
    """Starts what is asked for; everything ends with the stage, the last first."""

    def __init__(self, folder: Path, cores: Cores, stack: AsyncExitStack) -> None:
        self._folder = DataFolder(folder)
        self._folder.create()
        self._cores = cores
        self._stack = stack
        self.provider = ""
        """Base URL of the model server."""
        self.urls: PostgresUrls
        self.redis_url = ""

    @property
    def settings(self) -> Settings:
        """What tokens are signed with: the settings that workers have by default."""
        return Settings(_env_file=None)

    async def start_provider(self) -> None:
        """The fast model server."""
        process = await self.run("provider", processes.module("benchmarks.bench.provider"))
        self.provider = await process.line()

    async def start_storage(self) -> None:
        """A Postgres that really syncs, and a Valkey."""
        postgres = EmbeddedPostgres(self._folder)
        await asyncio.to_thread(postgres.prepare)
        await self.run("postgres", postgres.command())
        await postgres.wait_ready()
        await postgres.provision()
        self.urls = postgres.urls
        await migrate.upgrade(self.urls.owner)
        valkey = EmbeddedValkey(self._folder)
        valkey.prepare()
        await self.run("valkey", valkey.command())
        await valkey.wait_ready()
        self.redis_url = valkey.url

    async def start_worker(
        self,
        name: str,
        *,
        profile: Mapping[str, str] = CORE_PROFILE,
        program: str = "deskwire_server.worker",
        database_url: str = "",
        place: Place = Place.MEASURED,
    ) -> Worker:
        """A worker that serves when this returns."""
        grpc_port = find_free()
        http_port = find_free(avoid=(grpc_port,))
        environment = {
            "DATABASE_URL": database_url or self.urls.app,
            "DATABASE_SYSTEM_URL": self.urls.system,
            "REDIS_URL": self.redis_url,
            "AI_SERVICE_URL": self.provider,
            "AI_DEFAULT_PROVIDER": "compatible",
            "DESKWIRE_EMBEDDER": "none",
            "DESKWIRE_DATA_DIR": str(self._folder.root),
            "DESKWIRE_WORKER_GRPC_PORT": str(grpc_port),
            "DESKWIRE_WORKER_HTTP_PORT": str(http_port),
            "DESKWIRE_BEHIND_PROXY": "true",
            "DESKWIRE_DRAIN_GRACE": "1",
            **profile,
        }
        process = await self.run(name, processes.module(program, environment=environment), place=place)
        worker = Worker(process, grpc_port, http_port)
        await until_serving(worker.address)
        return worker

    async def start_full_worker(self, name: str) -> Worker:
        """A worker with analysis and search, on the demo's knowledge base and beside a local embedder."""
        socket = self._folder.socket_path("embedder.sock")
        command = processes.module("deskwire_server.embeddings.process", "--socket", str(socket))
        embedder = await self.run("embedder", command)
        await embedder.line()
        profile = {"DESKWIRE_EMBEDDER": "local", "DESKWIRE_EMBEDDER_SOCKET": str(socket)}
        environment = {"DATABASE_URL": self.urls.app, "REDIS_URL": self.redis_url, **profile}
        loader = await self.run("demo", processes.module("deskwire_server.demo", environment=environment))
        await loader.line()
        return await self.start_worker(name, profile=profile)

    async def start_envoy(self, worker: Worker) -> tuple[Process, str]:
        """Envoy in front of a worker, and the URL that it listens on."""
        http_port = find_free()
        settings = Settings(_env_file=None, http_port=http_port, grpc_port=find_free(avoid=(http_port,)))
        config = envoy.config_of(
            settings,
            workers=[(worker.grpc_port, worker.http_port)],
            admin_socket=self._folder.socket_path("envoy-admin.sock"),
            access_log=self._folder.logs / "access.log",
        )
        file = self._folder.run / "envoy.yaml"
        file.write_text(envoy.render(config))
        process = await self.run("envoy", envoy.command(file))
        await until_serving(f"127.0.0.1:{settings.grpc_port}")
        return process, f"http://127.0.0.1:{http_port}"

    async def run(self, name: str, command: Command, *, place: Place = Place.OTHERS) -> Process:
        """A program on the cores of a place."""
        cores = self._cores.at(place)
        process = await processes.start(name, command, cores=cores, log=self._folder.logs / f"{name}.log")
        self._stack.push_async_callback(process.stop)
        return process


@asynccontextmanager
async def staged(folder: Path, cores: Cores) -> AsyncIterator[Stage]:
    """A stage with its provider and storage."""
    async with AsyncExitStack() as stack:
        stage = Stage(folder, cores, stack)
        await stage.start_provider()
        await stage.start_storage()
        yield stage


async def until_serving(address: str) -> None:
    """Return once the server behind `address` says that it serves. Raises TimeoutError."""
    deadline = time.monotonic() + _START_LIMIT
    request = health_pb2.HealthCheckRequest()
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        while True:
            try:
                answer = await stub.Check(request, timeout=1, wait_for_ready=True)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing serves at {address}")
            await asyncio.sleep(0.05)
