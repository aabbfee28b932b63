"""Ways to read one streamed answer: Deskwire's providers, a bare parse, and the vendors' SDKs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import anthropic
import openai
import orjson

from deskwire_server.llm.anthropic import AnthropicProvider
from deskwire_server.llm.openai import OpenAIProvider
from deskwire_server.llm.port import ChatMessage, CompletionRequest, TextChunk
from deskwire_server.llm.stream import StreamingProvider

KEY = "sk-benchmark"
QUESTION: Any = [{"role": "user", "content": "How do I reset my password?"}]
OPENAI_CALL: dict[str, Any] = {
    "model": "fake", "messages": QUESTION, "stream": True, "stream_options": {"include_usage": True},
}  # fmt: skip
ANTHROPIC_CALL: dict[str, Any] = {"model": "fake", "messages": QUESTION, "max_tokens": 4_000, "stream": True}

Reader = Callable[[], Awaitable[int]]
"""Reads one answer to its end; returns the length of its text."""
Closer = Callable[[], Awaitable[None]]


def deskwire(provider: StreamingProvider) -> tuple[Reader, Closer]:
    """A provider of Deskwire, events and all."""
    request = CompletionRequest((ChatMessage("user", QUESTION[0]["content"]),))

    async def read() -> int:
        length = 0
        async for event in provider.stream(request):
            if isinstance(event, TextChunk):
                length += len(event.text)
        return length

    return read, provider.close


def deskwire_openai(url: str) -> tuple[Reader, Closer]:
    """Deskwire's `openai`."""
    return deskwire(OpenAIProvider(key=KEY, model="fake", base_url=f"{url}/v1"))


def deskwire_anthropic(url: str) -> tuple[Reader, Closer]:
    """Deskwire's `anthropic`."""
    return deskwire(AnthropicProvider(key=KEY, model="fake", base_url=url))


def _bare(url: str, call: dict[str, Any], text_in: Callable[[Any], str]) -> tuple[Reader, Closer]:
    """The floor: lines from aiohttp, JSON by orjson, no checks, no timeouts, no events."""
    session = aiohttp.ClientSession(headers={"content-type": "application/json"})
    body = orjson.dumps(call)

    async def read() -> int:
        length = 0
        async with session.post(url, data=body) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    length += len(text_in(orjson.loads(line[6:])))
        return length

    return read, session.close


def bare_openai(url: str) -> tuple[Reader, Closer]:
    """Bare parse of chat completions."""

    def text_in(chunk: Any) -> str:
        return (chunk["choices"][0]["delta"].get("content") or "") if chunk["choices"] else ""

    return _bare(f"{url}/v1/chat/completions", OPENAI_CALL, text_in)


def bare_anthropic(url: str) -> tuple[Reader, Closer]:
    """Bare parse of messages."""

    def text_in(event: Any) -> str:
        return event["delta"]["text"] if event["type"] == "content_block_delta" else ""

    return _bare(f"{url}/v1/messages", ANTHROPIC_CALL, text_in)


def sdk_openai(url: str) -> tuple[Reader, Closer]:
    """The vendor's client and its stream objects."""
    client = openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0)

    async def read() -> int:
        length = 0
        async for chunk in await client.chat.completions.create(**OPENAI_CALL):
            if chunk.choices:
                length += len(chunk.choices[0].delta.content or "")
        return length

    return read, client.close


def sdk_anthropic(url: str) -> tuple[Reader, Closer]:
    """The vendor's client and its stream objects."""
    client = anthropic.AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0)

    async def read() -> int:
        length = 0
        async for event in await client.messages.create(**ANTHROPIC_CALL):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                length += len(event.delta.text)
        return length

    return read, client.close


READERS: dict[str, dict[str, Callable[[str], tuple[Reader, Closer]]]] = {
    "openai": {"bare parse": bare_openai, "Deskwire": deskwire_openai, "SDK stream objects": sdk_openai},
    "anthropic": {"bare parse": bare_anthropic, "Deskwire": deskwire_anthropic, "SDK stream objects": sdk_anthropic},
}
