"""Second devices: one by the Python client, one by the bare contract, which sees what the server really sends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio
from deskwire.v1 import chat_pb2
from deskwire.v1.chat_pb2_grpc import ChatServiceStub

from benchmarks.chaos.journal import Stream
from deskwire_client import DeskwireClient, DeskwireError

SILENCE = 45.0
CHANNEL_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


async def by_client(device: DeskwireClient, conversation: str, stream: Stream, last: asyncio.Future[int]) -> None:
    """Watch a conversation from its beginning until the sequence that `last` will name has arrived."""
    while not _complete(stream, last):
        events = device.conversation(conversation, state=stream.state).watch(after_sequence=stream.sequence)
        try:
            await _until_complete(events.__anext__, lambda event: stream.event(event.raw), stream, last)
        except (DeskwireError, TimeoutError) as error:
            stream.state(f"given up: {error!r}")
        finally:
            await events.aclose()


async def by_contract(address: str, token: str, conversation: str, stream: Stream, last: asyncio.Future[int]) -> None:
    """The same without the client: each call is told by a line, since text begins anew with it."""
    metadata = (("authorization", f"Bearer {token}"),)
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        stub = ChatServiceStub(channel)
        while not _complete(stream, last):
            request = chat_pb2.WatchConversationRequest(conversation_id=conversation, after_sequence=stream.sequence)
            stream.state("connecting")
            call = stub.WatchConversation(request, metadata=metadata)

            def take(response: Any) -> None:
                if response is grpc.aio.EOF:
                    raise TimeoutError
                stream.event(response.event)

            try:
                await _until_complete(call.read, take, stream, last)
            except (grpc.aio.AioRpcError, TimeoutError):
                stream.state("reconnecting")
                await asyncio.sleep(random.uniform(0.1, 0.4))
            finally:
                call.cancel()


async def _until_complete(
    read: Callable[[], Awaitable[Any]], take: Callable[[Any], None], stream: Stream, last: asyncio.Future[int]
) -> None:
    """Take what comes until it is all. Raises TimeoutError after a long silence, and what `read` raises."""
    reading = asyncio.ensure_future(read())
    try:
        while not _complete(stream, last):
            awaited: set[asyncio.Future[Any]] = {reading} if last.done() else {reading, last}
            done, _ = await asyncio.wait(awaited, timeout=SILENCE, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise TimeoutError
            if reading.done():
                take(reading.result())
                reading = asyncio.ensure_future(read())
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _complete(stream: Stream, last: asyncio.Future[int]) -> bool:
    return last.done() and stream.sequence >= last.result()
