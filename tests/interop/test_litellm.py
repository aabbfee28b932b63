"""Deskwire's providers against the LiteLLM proxy: a third party's idea of both wires. Run by scripts/interop.sh."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator

import orjson
import pytest

from deskwire_server.llm.anthropic import AnthropicProvider
from deskwire_server.llm.compatible import CompatibleProvider
from deskwire_server.llm.http import Timeouts
from deskwire_server.llm.openai import OpenAIProvider
from deskwire_server.llm.port import (
    ChatMessage,
    CompletionRequest,
    FinishReason,
    ProviderError,
    TextChunk,
    ToolCall,
    ToolCallStarted,
)
from deskwire_server.llm.stream import StreamingProvider
from tests.support.fake_provider.providers import SEARCH, WIRES, ask, collect, finish_of, text_of

URL = os.environ.get("DESKWIRE_INTEROP_URL", "")
KEY = os.environ.get("DESKWIRE_INTEROP_KEY", "")
MODEL = "house-model"
ARGUMENTS = {"query": "reset “password”", "limit": 3}

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(not URL, reason="scripts/interop.sh starts the proxy"),
    pytest.mark.parametrize("wire", WIRES),
]


def made(wire: str, key: str) -> StreamingProvider:
    timeouts = Timeouts(first_token=20)
    if wire == "anthropic":
        return AnthropicProvider(key=key, model=MODEL, base_url=URL, temperature=0.25, timeouts=timeouts)
    kind = OpenAIProvider if wire == "openai" else CompatibleProvider
    return kind(key=key, model=MODEL, base_url=f"{URL}/v1", temperature=0.25, max_tokens=500, timeouts=timeouts)


@pytest.fixture
async def provider(wire: str) -> AsyncGenerator[StreamingProvider]:
    provider = made(wire, KEY)
    yield provider
    await provider.close()


async def test_text_in_pieces_with_usage(provider: StreamingProvider) -> None:
    events = await collect(provider, ask("Where is “Security”?"))
    assert text_of(events) == "You asked: Where is “Security”?. Temperature 0.25. Done ✓"
    assert len([event for event in events if isinstance(event, TextChunk)]) > 1
    finished = finish_of(events)
    assert finished.reason is FinishReason.STOP
    assert finished.model
    assert finished.usage.input_tokens > 0
    assert finished.usage.output_tokens > 0


async def test_tool_calls(provider: StreamingProvider) -> None:
    events = await collect(provider, ask("Please use a tool", tools=(SEARCH,)))
    assert text_of(events) == "Let me look."
    finished = finish_of(events)
    assert finished.reason is FinishReason.TOOL_CALLS
    (call,) = finished.tool_calls
    assert [event.id for event in events if isinstance(event, ToolCallStarted)] == [call.id]
    assert call.name == "search"
    assert orjson.loads(call.arguments) == ARGUMENTS


async def test_results_of_tools_go_back(provider: StreamingProvider) -> None:
    history = (
        ChatMessage("user", "Please use a tool"),
        ChatMessage("assistant", "Let me look.", tool_calls=(ToolCall("call_1", "search", '{"query": "x"}'),)),
        ChatMessage("tool", "two articles", tool_call_id="call_1"),
    )
    events = await collect(provider, CompletionRequest(history, tools=(SEARCH,)))
    assert text_of(events).startswith("The tool said:")
    assert "two articles" in text_of(events)


async def test_a_wrong_key(wire: str) -> None:
    stranger = made(wire, "sk-wrong-0123456789")
    with pytest.raises(ProviderError) as caught:
        await collect(stranger)
    await stranger.close()
    # Without a database of keys this proxy answers 400 instead of 401.
    assert caught.value.kind in ("bad_key", "bad_request")
    assert not caught.value.retryable
    assert "sk-wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("be busy", "rate_limited"), ("be down", "overloaded"), ("much too long", "context_too_long"),
        ("be broken", "server"),
    ],
)  # fmt: skip
async def test_failures(provider: StreamingProvider, wire: str, question: str, kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(provider, ask(question))
    if wire == "anthropic" and kind == "overloaded":
        kind = "server"  # the proxy's error event says `api_error`
    assert caught.value.kind == kind


async def test_an_unknown_model(provider: StreamingProvider) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(provider, CompletionRequest((ChatMessage("user", "Hi"),), model="no-such-model"))
    assert caught.value.kind == "bad_request"


async def test_stopping_is_immediate(provider: StreamingProvider) -> None:
    events = provider.stream(ask("go on for long"))
    async with asyncio.timeout(20):
        assert isinstance(await anext(events), TextChunk)
    began = time.monotonic()
    await events.aclose()
    assert time.monotonic() - began < 0.5


async def test_answers_at_the_same_time_do_not_mix(provider: StreamingProvider) -> None:
    answers = await asyncio.gather(*(collect(provider, ask(f"question {number}")) for number in range(8)))
    for number, events in enumerate(answers):
        assert f"question {number}." in text_of(events)
