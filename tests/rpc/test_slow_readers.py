"""A reader that does not keep up costs a bounded amount of memory, and is cut so that it can resume."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import grpc
import pytest
from deskwire.v1 import chat_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from deskwire_server.turns.models import TypingChanged
from tests.rpc.pairs import ask, new_conversation, until
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server

PIECE = "x" * 10_000
PIECES = 400


async def read_to_the_end(call: Any, sequences: list[int]) -> None:
    while (response := await call.read()) is not grpc.aio.EOF:
        sequences.append(response.event.sequence)


async def test_a_slow_reader_is_cut_and_resumes(server: Server, ana: Client, provider: ScriptedProvider) -> None:
    provider.pieces, provider.gate, provider.gate_after = [PIECE] * PIECES, asyncio.Event(), 1
    conversation_id = await new_conversation(ana)
    # A connection of its own, whose window the answer fills.
    async with grpc.aio.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        slow = Client(channel, ana.token)
        request = chat_pb2.WatchConversationRequest(conversation_id=conversation_id, after_sequence=0)
        call = slow.chat.WatchConversation(request, metadata=slow.metadata, timeout=60)
        await call.read()
        asked = ask(ana, conversation_id=conversation_id)
        await until(lambda: asked.deltas)
        provider.gate.set()
        await asked.task
        (waiting,) = server.app.hub._watchers[UUID(conversation_id)]
        assert len(waiting._items) < 20, "text that waits is one item, however much came"
        for _ in range(1_000):
            server.app.hub.publish(UUID(conversation_id), TypingChanged("user", True))
        assert len(waiting._items) <= 512

        read = [0]
        with pytest.raises(grpc.aio.AioRpcError) as cut:
            await read_to_the_end(call, read)
        assert cut.value.code() is grpc.StatusCode.UNAVAILABLE
        status = rpc_status.from_call(cut.value)  # type: ignore[arg-type]
        info = error_details_pb2.ErrorInfo()
        assert status is not None
        assert status.details[0].Unpack(info)
        assert info.reason == "READER_TOO_SLOW"

        again = chat_pb2.WatchConversationRequest(conversation_id=conversation_id, after_sequence=min(2, max(read)))
        call = slow.chat.WatchConversation(again, metadata=slow.metadata, timeout=60)
        async for response in call:
            if response.event.HasField("message_completed"):
                assert response.event.message_completed.message.text == PIECE * PIECES
                break
        call.cancel()
