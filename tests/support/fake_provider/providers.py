"""Deskwire's providers, pointed at a fake one."""

from __future__ import annotations

from typing import Protocol

from deskwire_server.llm.anthropic import AnthropicProvider
from deskwire_server.llm.compatible import CompatibleProvider
from deskwire_server.llm.http import Timeouts
from deskwire_server.llm.openai import OpenAIProvider
from deskwire_server.llm.port import ChatMessage, CompletionRequest, Finished, ProviderEvent, TextChunk, ToolSpec
from deskwire_server.llm.stream import StreamingProvider
from tests.support.fake_provider.server import FakeProvider
from tests.support.waiting import until

KEY = "sk-fake-0123456789abcdef"
WIRES = ("openai", "anthropic", "compatible")

SEARCH = ToolSpec(
    name="search",
    description="Search the help pages.",
    input_schema={"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
)


class Connect(Protocol):
    """Makes a provider of one wire, which is closed at the end of the test."""

    def __call__(
        self, wire: str, fake: FakeProvider | str, *, timeouts: Timeouts | None = None
    ) -> StreamingProvider: ...


def provider_for(wire: str, fake: FakeProvider | str, *, timeouts: Timeouts | None = None) -> StreamingProvider:
    """A provider of one wire that calls `fake`, or the server at this address without a path."""
    url = fake if isinstance(fake, str) else fake.url
    if wire == "anthropic":
        return AnthropicProvider(key=KEY, model="claude-haiku-4-5", base_url=url, temperature=0.2, timeouts=timeouts)
    kind = OpenAIProvider if wire == "openai" else CompatibleProvider
    return kind(key=KEY, model="fake", base_url=f"{url}/v1", temperature=0.2, max_tokens=1_000, timeouts=timeouts)


def ask(text: str = "How do I reset my password?", *, tools: tuple[ToolSpec, ...] = ()) -> CompletionRequest:
    """A question without history."""
    return CompletionRequest(messages=(ChatMessage("user", text),), tools=tools)


async def collect(provider: StreamingProvider, request: CompletionRequest | None = None) -> list[ProviderEvent]:
    """Every event of one answer."""
    return [event async for event in provider.stream(request or ask())]


async def rested(provider: StreamingProvider) -> None:
    """Wait until a connection is free for the next call: an answer may end a little behind its last event."""
    await until(lambda: provider._client.idle)


def text_of(events: list[ProviderEvent]) -> str:
    """The answer's text."""
    return "".join(event.text for event in events if isinstance(event, TextChunk))


def finish_of(events: list[ProviderEvent]) -> Finished:
    """The last event."""
    finished = events[-1]
    assert isinstance(finished, Finished)
    return finished
