"""Two workers on one database, each with a provider of its own, and what a test asks of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from deskwire.v1 import chat_pb2, conversation_pb2, event_pb2
from pydantic import SecretStr

from tests.rpc.proxy import DatabaseProxy, proxied
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server, make_settings, running_server

Events = list[event_pb2.ConversationEvent]


@dataclass
class Side:
    """A worker, its way to the database, and its provider."""

    server: Server
    proxy: DatabaseProxy
    provider: ScriptedProvider


@dataclass
class Pair:
    """`here` is asked, `there` is the other one."""

    here: Side
    there: Side
    tenant: str

    def client(self, side: Side, **fields: Any) -> Client:
        """A user of the test's tenant at one of the two."""
        return side.server.client(tenant=self.tenant, **fields)

    async def down(self) -> None:
        """The database goes away for both."""
        await asyncio.gather(self.here.proxy.down(), self.there.proxy.down())

    async def up(self) -> None:
        """It is back for both."""
        await asyncio.gather(self.here.proxy.up(), self.there.proxy.up())


@asynccontextmanager
async def paired(postgres: TestPostgres, tenant: str, **settings: Any) -> AsyncIterator[Pair]:
    """Two running workers, each behind a proxy of its own to the database."""
    async with AsyncExitStack() as stack:
        sides = []
        for _ in range(2):
            proxy = await stack.enter_async_context(proxied(postgres.app_url))
            changes = {
                "database_url": SecretStr(proxy.url(postgres.app_url)),
                "database_system_url": SecretStr(proxy.url(postgres.system_url)),
                "heartbeat_interval": 0.2,
                **settings,
            }
            provider = ScriptedProvider()
            server = await stack.enter_async_context(
                running_server(make_settings(postgres, **changes), provider=provider, alone=False)
            )
            sides.append(Side(server, proxy, provider))
        yield Pair(*sides, tenant)


@dataclass
class Asked:
    """A question whose events are gathered as they come."""

    events: Events = field(default_factory=list)
    task: asyncio.Task[None] = field(init=False)

    @property
    def deltas(self) -> list[event_pb2.TextDelta]:
        return [event.text_delta for event in self.events if event.HasField("text_delta")]

    @property
    def text(self) -> str:
        """What a client shows: the deltas of the newest attempt, each at its offset. Raises where they do not fit."""
        shown, attempt = "", 0
        for delta in self.deltas:
            assert delta.attempt >= attempt, "text of an attempt that is over"
            shown = "" if delta.attempt > attempt else shown
            attempt = delta.attempt
            assert delta.offset == len(shown), f"{delta.offset} after {shown!r}"
            shown += delta.text
        return shown

    @property
    def attempts(self) -> list[int]:
        return [event.turn_started.attempt for event in self.events if event.HasField("turn_started")]

    @property
    def kinds(self) -> list[str]:
        return [str(event.WhichOneof("event")) for event in self.events]

    @property
    def turn_id(self) -> str:
        return next(event.turn_id for event in self.events if event.turn_id)

    @property
    def conversation_id(self) -> str:
        return self.events[0].conversation_id


def ask(client: Client, text: str = "Hi", timeout: float = 60, **fields: Any) -> Asked:
    """Send a message and gather what comes."""
    asked = Asked()
    message = {key: fields.pop(key) for key in ("request_id", "while_answering") if key in fields}
    request = chat_pb2.SendMessageRequest(message=chat_pb2.UserMessage(text=text, **message), **fields)

    async def gather() -> None:
        async for response in client.chat.SendMessage(request, metadata=client.metadata, timeout=timeout):
            asked.events.append(response.event)

    asked.task = asyncio.create_task(gather())
    return asked


def watch(client: Client, conversation_id: str, **fields: Any) -> Asked:
    """Watch a conversation and gather what comes; cancel its task to leave."""
    watched = Asked()
    request = chat_pb2.WatchConversationRequest(conversation_id=conversation_id, **fields)

    async def gather() -> None:
        async for response in client.chat.WatchConversation(request, metadata=client.metadata, timeout=60):
            watched.events.append(response.event)

    watched.task = asyncio.create_task(gather())
    return watched


async def new_conversation(client: Client) -> str:
    """A conversation without messages."""
    made = await client.conversations.CreateConversation(
        conversation_pb2.CreateConversationRequest(), metadata=client.metadata
    )
    return str(made.conversation.id)


async def until(condition: Callable[[], object], within: float = 10) -> float:
    """Return once `condition` holds, with the seconds that it took. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)
    return loop.time() - began


async def usage_of(postgres: TestPostgres, turn_id: str) -> list[tuple[int, str, bool]]:
    """(attempt, provider, estimated) of each call that a turn is charged for."""
    connection = await asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + "/deskwire")
    try:
        rows = await connection.fetch(
            "SELECT attempt, provider, estimated FROM usage WHERE turn_id = $1 ORDER BY attempt, id", turn_id
        )
        return [tuple(row) for row in rows]
    finally:
        await connection.close()
