"""A model behind the LiteLLM proxy, for its custom_provider_map: answers by what the question asks for, no network.

Runs in the proxy's own environment; nothing of Deskwire is imported here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import litellm
from litellm import CustomLLM
from litellm.types.utils import GenericStreamingChunk

ARGUMENTS = '{"query": "reset “password”", "limit": 3}'


class HouseModel(CustomLLM):
    """Streams text word by word, tool calls in fragments, and fails as told."""

    async def astreaming(self, model: str, messages: list[dict[str, Any]], **more: Any) -> AsyncIterator[Any]:
        """One answer to the last message."""
        question = _words(messages[-1].get("content"))
        _fail(question, model)
        if messages[-1]["role"] == "tool":
            async for chunk in _text(f"The tool said: {question}", "stop"):
                yield chunk
        elif "use a tool" in question:
            async for chunk in _text("Let me look.", None):
                yield chunk
            for chunk in _call():
                yield chunk
        elif "go on for long" in question:
            async for chunk in _text("word " * 400, "stop", pace=0.05):
                yield chunk
        else:
            temperature = (more.get("optional_params") or {}).get("temperature")
            async for chunk in _text(f"You asked: {question}. Temperature {temperature}. Done ✓", "stop"):
                yield chunk


def _words(content: Any) -> str:
    """A message's text; on `/v1/messages` it comes as blocks."""
    if isinstance(content, list):
        return "".join(block.get("text", "") for block in content)
    return str(content)


def _fail(question: str, model: str) -> None:
    about: dict[str, Any] = {"message": "as asked for", "model": model, "llm_provider": "house"}
    if "be busy" in question:
        raise litellm.RateLimitError(**about)
    if "be down" in question:
        raise litellm.ServiceUnavailableError(**about)
    if "too long" in question:
        raise litellm.ContextWindowExceededError(**about)
    if "be broken" in question:
        raise litellm.InternalServerError(**about)


async def _text(text: str, finish: str | None, *, pace: float = 0.001) -> AsyncIterator[GenericStreamingChunk]:
    words = text.split(" ")
    for number, word in enumerate(words):
        await asyncio.sleep(pace)
        last = number == len(words) - 1
        yield _chunk(text=word if last else f"{word} ", finish=finish if last else None)


def _call() -> list[GenericStreamingChunk]:
    pieces = [ARGUMENTS[start : start + 7] for start in range(0, len(ARGUMENTS), 7)]
    chunks = [_chunk(call={"id": "call_1", "index": 0, "type": "function", "function": _function("search", "")})]
    for piece in pieces:
        call = {"id": None, "index": 0, "type": "function", "function": _function(None, piece)}
        chunks.append(_chunk(call=call))
    chunks.append(_chunk(finish="tool_calls"))
    return chunks


def _function(name: str | None, arguments: str) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def _chunk(*, text: str = "", call: dict[str, Any] | None = None, finish: str | None = None) -> GenericStreamingChunk:
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18} if finish else None
    chunk: dict[str, Any] = {
        "text": text, "tool_use": call, "is_finished": finish is not None, "finish_reason": finish or "",
        "usage": usage, "index": 0,
    }  # fmt: skip
    return chunk  # type: ignore[return-value]


handler = HouseModel()
