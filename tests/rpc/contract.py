"""Every RPC of the contract, read from its descriptors, and a way to call each without a stub of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from deskwire.v1 import chat_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from deskwire_server.app import SERVICES
from tests.rpc.refusals import Refusal, read_refusal
from tests.support.server import Client

LIBRARY_SERVICES = ("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", "grpc.channelz.v1.Channelz")
"""Services beside the contract that a worker has."""
DEADLINE = 15.0


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC."""

    path: str
    request: type[Message]
    response: type[Message]
    client_streams: bool
    server_streams: bool

    @property
    def name(self) -> str:
        """Short name, such as `ChatService/Chat`."""
        return self.path.removeprefix("/deskwire.").partition(".")[2]


@dataclass(slots=True)
class Outcome:
    """How a call went."""

    refusal: Refusal | None = None
    """None when it ended well, or was left by the caller once it was quiet."""
    responses: list[Any] = field(default_factory=list)

    @property
    def code(self) -> grpc.StatusCode:
        """The status code."""
        return self.refusal.code if self.refusal is not None else grpc.StatusCode.OK

    @property
    def text(self) -> str:
        """All that came back, as text."""
        return "\n".join(str(response) for response in self.responses)


def rpcs(services: Sequence[str] = SERVICES) -> list[Rpc]:
    """Every RPC of these services."""
    return [rpc for service in services for rpc in _of(service)]


def find(path: str) -> Rpc:
    """One RPC by its full path."""
    service, _, method = path[1:].partition("/")
    return next(rpc for rpc in _of(service) if rpc.path.endswith(f"/{method}"))


def _of(service: str) -> Iterator[Rpc]:
    descriptor = descriptor_pool.Default().FindServiceByName(service)
    for method in descriptor.methods:
        yield Rpc(
            f"/{service}/{method.name}",
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
            method.client_streaming,
            method.server_streaming,
        )


async def call(
    channel: grpc.aio.Channel,
    rpc: Rpc,
    requests: Sequence[Message | bytes],
    metadata: Sequence[tuple[str, str]] = (),
    *,
    deadline: float = DEADLINE,
    leave_when_quiet: bool = True,
) -> Outcome:
    """Call `rpc`. A stream that only watches is left at its first heartbeat; requests of streams end with the list."""
    outcome = Outcome()
    try:
        responses = _start(channel, rpc, requests, metadata, deadline)
        async for response in responses:
            outcome.responses.append(response)
            if leave_when_quiet and _is_quiet(response):
                break
        await responses.aclose()
    except grpc.aio.AioRpcError as error:
        outcome.refusal = read_refusal(error)
    return outcome


async def call_as(client: Client, rpc: Rpc, *requests: Message | bytes) -> Outcome:
    """The same with a caller's token."""
    return await call(client.channel, rpc, requests, client.metadata)


async def _start(
    channel: grpc.aio.Channel, rpc: Rpc, requests: Sequence[Message | bytes], metadata: Any, deadline: float
) -> Any:
    kind = ("stream" if rpc.client_streams else "unary", "stream" if rpc.server_streams else "unary")
    multi = getattr(channel, "_".join(kind))(rpc.path, _serialised, rpc.response.FromString)
    made = multi(_each(requests) if rpc.client_streams else requests[0], metadata=metadata, timeout=deadline)
    try:
        if not rpc.server_streams:
            yield await made
            return
        async for response in made:
            yield response
    finally:
        if not made.done():
            made.cancel()
            with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
                await made.code()


async def _each(requests: Sequence[Message | bytes]) -> AsyncIterator[Message | bytes]:
    for request in requests:
        yield request


def _serialised(request: Message | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()


def _is_quiet(response: Message) -> bool:
    event = getattr(response, "event", None)
    return event is not None and event.WhichOneof("event") == "heartbeat"


def converse(*requests: chat_pb2.ConverseRequest, conversation_id: str | None = None) -> list[Message | bytes]:
    """Requests of one `Converse` stream, opened before and closed after them."""
    opening = chat_pb2.ConverseRequest(open=chat_pb2.OpenConversation())
    if conversation_id is not None:
        opening.open.conversation_id = conversation_id
    return [opening, *requests, chat_pb2.ConverseRequest(close=chat_pb2.CloseConversationStream())]
