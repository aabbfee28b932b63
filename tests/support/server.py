"""A real worker inside the test's process, with the real interceptors, on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
from deskwire.v1 import chat_pb2_grpc, conversation_pb2_grpc, knowledge_pb2_grpc
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from deskwire_server import app as application
from deskwire_server.app import App
from deskwire_server.auth import tokens
from deskwire_server.auth.caller import Role
from deskwire_server.llm.port import Provider
from deskwire_server.metrics import Metrics
from deskwire_server.settings import Settings
from tests.support.postgres import TestPostgres


def make_settings(postgres: TestPostgres, **changes: Any) -> Settings:
    """Settings of a worker on the test database: no Redis, no embedder, no background work, quick heartbeats."""
    values: dict[str, Any] = {
        "database_url": SecretStr(postgres.app_url),
        "database_system_url": SecretStr(postgres.system_url),
        "embedder": "none",
        # Titles and summaries ask the provider too: the tests of them turn this on.
        "background_jobs": False,
        "drain_grace": 1.0,
        "heartbeat_interval": 2.0,
    }
    return Settings(_env_file=None, **{**values, **changes})


@dataclass(frozen=True, slots=True)
class Client:
    """Stubs that carry one caller's token."""

    channel: grpc.aio.Channel
    token: str

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)

    @property
    def chat(self) -> chat_pb2_grpc.ChatServiceAsyncStub:
        return chat_pb2_grpc.ChatServiceStub(self.channel)

    @property
    def conversations(self) -> conversation_pb2_grpc.ConversationServiceAsyncStub:
        return conversation_pb2_grpc.ConversationServiceStub(self.channel)

    @property
    def knowledge(self) -> knowledge_pb2_grpc.KnowledgeServiceAsyncStub:
        return knowledge_pb2_grpc.KnowledgeServiceStub(self.channel)


@dataclass(frozen=True, slots=True)
class Server:
    """A running worker."""

    app: App
    settings: Settings
    address: str
    channel: grpc.aio.Channel

    def client(self, *, tenant: str, user: str = "ana", role: Role | str = Role.USER) -> Client:
        """A caller of this worker. Tenants come into being with their first use."""
        return Client(self.channel, tokens.mint(self.settings, tenant=tenant, user=user, role=role))


@asynccontextmanager
async def running_server(
    settings: Settings, *, provider: Provider | None = None, alone: bool = True
) -> AsyncIterator[Server]:
    """Build and start a worker; `provider` answers in place of the configured ones.

    Where it is `alone` in its event loop, it checks at the end that no task of the server is left.
    """
    before = asyncio.all_tasks()
    app = application.build(settings, metrics=Metrics(CollectorRegistry()), provider=provider)
    port = app.server.add_insecure_port("127.0.0.1:0")
    await app.server.start()
    background = [asyncio.create_task(loop()) for loop in app.background]
    address = f"127.0.0.1:{port}"
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            yield Server(app, settings, address, channel)
        finally:
            await app.health.drain()
            app.hub.drain()
            await app.runner.drain(settings.drain_grace)
            await app.server.stop(settings.drain_grace)
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            for close in app.closers:
                await close()
    if not alone:
        return
    await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() - before if not task.done() and _is_ours(task)]
    assert not left, f"tasks were left: {left}"


def new_tenant() -> str:
    """A tenant name that nobody else uses."""
    return f"t-{uuid4().hex[:12]}"


def _is_ours(task: asyncio.Task[Any]) -> bool:
    """Tasks of the gRPC library end on its own time; those of the server must be gone."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "deskwire_server" in code.co_filename
