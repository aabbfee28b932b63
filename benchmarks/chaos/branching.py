"""Edited questions and further answers, by the bare contract, repeated with their request id until they have ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
from deskwire.v1 import chat_pb2
from deskwire.v1.chat_pb2_grpc import ChatServiceStub

from benchmarks.chaos.database import TERMINAL
from benchmarks.chaos.journal import Stream
from benchmarks.chaos.question import Question
from benchmarks.chaos.watching import CHANNEL_OPTIONS, SILENCE

_AGAIN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN})


async def edit(address: str, token: str, conversation: str, replaced: str, question: Question, stream: Stream) -> None:
    """Ask a question in place of an earlier one and read its answer. Raises AioRpcError when it is refused."""
    message = chat_pb2.UserMessage(text=question.text, request_id=question.nonce, replaces_message_id=replaced)
    request = chat_pb2.SendMessageRequest(conversation_id=conversation, message=message)
    await _insist(address, token, lambda stub: stub.SendMessage, request, stream)


async def regenerate(address: str, token: str, conversation: str, question: str, key: str, stream: Stream) -> None:
    """Have a question answered once more and read the answer. Raises as `edit` does."""
    request = chat_pb2.RegenerateAnswerRequest(conversation_id=conversation, message_id=question, request_id=key)
    await _insist(address, token, lambda stub: stub.RegenerateAnswer, request, stream)


async def _insist(
    address: str, token: str, method: Callable[[ChatServiceStub], Any], request: Any, stream: Stream
) -> None:
    metadata = (("authorization", f"Bearer {token}"),)
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        while True:
            stream.state("connecting")
            call = method(ChatServiceStub(channel))(request, metadata=metadata)
            try:
                if await _read(call, stream):
                    return
            except grpc.aio.AioRpcError as error:
                if error.code() not in _AGAIN:
                    raise
            finally:
                call.cancel()
            stream.state("reconnecting")
            await asyncio.sleep(random.uniform(0.1, 0.4))
            if stream.sequence:
                request.after_sequence = stream.sequence


async def _read(call: Any, stream: Stream) -> bool:
    """Whether the turn's last event came."""
    while True:
        try:
            response = await asyncio.wait_for(call.read(), SILENCE)
        except TimeoutError:
            return False
        if response is grpc.aio.EOF:
            return False
        stream.event(response.event)
        if response.event.WhichOneof("event") in TERMINAL:
            return True
