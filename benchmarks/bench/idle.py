"""Memory of streams on which nothing happens."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from deskwire.v1 import chat_pb2, conversation_pb2

from benchmarks.bench.clients import TENANT, Channels, Deskwire
from benchmarks.bench.processes import Process
from benchmarks.bench.stage import Worker
from deskwire_server.settings import Settings

STREAMS_PER_CONNECTION = 100
_PER_USER = 40
_AT_ONCE = 50
_WATCHED = 5.0
"""Seconds in which the processor time of the idle streams is taken."""
_CREATE = "/deskwire.v1.ConversationService/CreateConversation"
_WATCH = "/deskwire.v1.ChatService/WatchConversation"


@dataclass(frozen=True, slots=True)
class Idle:
    """What idle streams cost a worker."""

    streams: int
    bytes_each: float
    cpu_microseconds: float
    """Processor time of one stream in one second."""


async def measure(worker: Worker, settings: Settings, streams: int) -> Idle:
    """Open `streams` watches of as many conversations, each until its first event, and weigh the worker."""
    callers = Deskwire(settings, TENANT)
    channels = Channels([worker.address], max(1, streams // STREAMS_PER_CONNECTION))
    limit = asyncio.Semaphore(_AT_ONCE)

    def metadata(number: int) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {callers.token(f'idle-{number // _PER_USER}')}"),)

    async def create(number: int) -> str:
        call = channels.of(f"-{number}").unary_unary(
            _CREATE,
            request_serializer=conversation_pb2.CreateConversationRequest.SerializeToString,
            response_deserializer=conversation_pb2.CreateConversationResponse.FromString,
        )
        async with limit:
            made = await call(conversation_pb2.CreateConversationRequest(), metadata=metadata(number))
        return str(made.conversation.id)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(channels.close)
        conversations = await asyncio.gather(*map(create, range(streams)))
        before = await settled(worker.process)

        async def watch(number: int) -> None:
            call = channels.of(f"-{number}").unary_stream(
                _WATCH,
                request_serializer=chat_pb2.WatchConversationRequest.SerializeToString,
                response_deserializer=chat_pb2.WatchConversationResponse.FromString,
            )
            async with limit:
                request = chat_pb2.WatchConversationRequest(conversation_id=conversations[number])
                stream = call(request, metadata=metadata(number))
                stack.callback(stream.cancel)
                await stream.read()

        await asyncio.gather(*map(watch, range(streams)))
        weight = await settled(worker.process) - before
        cpu = worker.process.cpu_seconds
        await asyncio.sleep(_WATCHED)
        cpu = worker.process.cpu_seconds - cpu
    return Idle(streams, weight / streams, cpu / streams / _WATCHED * 1e6)


async def settled(process: Process) -> int:
    """The memory of a process once it has stopped growing."""
    last = 0
    while (now := process.resident_bytes) > last * 1.005:
        last = now
        await asyncio.sleep(0.5)
    return now
