"""What the Anthropic provider sends, held against the SDK's own types, and the stop reasons it knows."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import orjson
import pydantic
import pytest
from anthropic.types import StopReason
from anthropic.types.message_create_params import MessageCreateParamsStreaming

from deskwire_server.llm.anthropic import FINISH_REASONS, AnthropicProvider, MessageDecoder
from deskwire_server.llm.decoder import MalformedError
from deskwire_server.llm.port import ChatMessage, CompletionRequest, ProviderError, ProviderEvent, ToolCall
from deskwire_server.llm.prompt import with_passages
from tests.support.fake_provider import FakeProvider
from tests.support.fake_provider.anthropic_wire import AnthropicWire
from tests.support.fake_provider.providers import KEY, SEARCH, Connect, collect

HISTORY = (
    ChatMessage("user", "Where are my invoices?"),
    ChatMessage(
        "assistant",
        "Let me look.",
        tool_calls=(ToolCall("toolu_1", "search", '{"query":"a"}'), ToolCall("toolu_2", "search", "{}")),
    ),
    ChatMessage("tool", "2 results", tool_call_id="toolu_1"),
    ChatMessage("tool", "none", tool_call_id="toolu_2"),
    ChatMessage("user", "And my password?"),
)
REQUEST = CompletionRequest(
    HISTORY, system="You help.", tools=(SEARCH,), temperature=1.7, max_tokens=77, stop=("E", " ")
)
SCHEMA = pydantic.TypeAdapter(MessageCreateParamsStreaming)


def body_of(request: CompletionRequest, *, model: str = "claude-haiku-4-5", **settings: Any) -> dict[str, Any]:
    """The body, checked against the SDK's types and the fake's rules."""
    provider = AnthropicProvider(key=KEY, model=model, **settings)
    body: dict[str, Any] = orjson.loads(provider.body(request, request.model or provider.default_model))
    SCHEMA.validate_python(body)
    assert set(body) <= set(get_type_hints(MessageCreateParamsStreaming)) | {"temperature"}
    assert AnthropicWire().problem(body) == ""
    return body


def test_body() -> None:
    assert body_of(REQUEST) == {
        "model": "claude-haiku-4-5",
        "max_tokens": 77,
        "stream": True,
        "system": with_passages(REQUEST),
        "temperature": 1.0,
        "stop_sequences": ["E"],
        "tools": [{"name": "search", "description": "Search the help pages.", "input_schema": SEARCH.input_schema}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Where are my invoices?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"query": "a"}},
                    {"type": "tool_use", "id": "toolu_2", "name": "search", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "2 results"},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "content": "none"},
                    {"type": "text", "text": "And my password?"},
                ],
            },
        ],
    }


def test_settings_stand_in_for_what_a_request_leaves_out() -> None:
    body = body_of(CompletionRequest((ChatMessage("user", "Hi"),)), temperature=0.3, max_tokens=50)
    assert (body["temperature"], body["max_tokens"]) == (0.3, 50)
    assert "tools" not in body


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("claude-3-5-haiku-latest", True), ("claude-3-sonnet-20240229", True), ("claude-2.1", True),
        ("claude-haiku-4-5", True), ("claude-haiku-4-5-20251001", True), ("claude-opus-4-6", True),
        ("claude-sonnet-4-20250514", True), ("claude-sonnet-4-0", True), ("our-alias", True),
        ("claude-opus-4-7", False), ("claude-opus-4-8", False), ("claude-opus-5", False), ("claude-haiku-5-5", False),
        ("claude-mythos-preview", False), ("claude-haiku-5-5-20261001", False),
    ],
)  # fmt: skip
def test_models_that_refuse_a_temperature_get_none(model: str, takes: bool) -> None:
    assert ("temperature" in body_of(REQUEST, model=model)) is takes


def test_windows_and_empty_messages_are_made_sound() -> None:
    history = (HISTORY[2], ChatMessage("assistant", "Hm"), ChatMessage("user", "a"), ChatMessage("assistant", " "),
               ChatMessage("user", "b"))  # fmt: skip
    assert body_of(CompletionRequest(history))["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]


@pytest.mark.enable_socket
async def test_headers_and_path(fake: FakeProvider, connect: Connect) -> None:
    await collect(connect("anthropic", fake))
    await collect(connect("anthropic", f"{fake.url}/v1/"))
    for record in fake.requests:
        assert record.path == "/v1/messages"
        assert record.headers["x-api-key"] == KEY
        assert record.headers["anthropic-version"] == "2023-06-01"
        assert "authorization" not in record.headers


def test_every_stop_reason_of_the_sdk_is_mapped() -> None:
    assert set(FINISH_REASONS) == set(get_args(StopReason))


class TestDecoder:
    @staticmethod
    def feed(*payloads: str) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        MessageDecoder("anthropic", "m").feed("".join(f"data: {line}\n\n" for line in payloads).encode(), events)
        return events

    @pytest.mark.parametrize(
        "payload",
        [
            "{", "[]", "null", "{}", '{"type":"message_start"}', '{"type":"content_block_delta","index":0}',
            '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a"}}',
            '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":5}}',
            '{"type":"message_delta","delta":null}',
        ],
    )  # fmt: skip
    def test_unknown_shapes_are_malformed(self, payload: str) -> None:
        with pytest.raises(MalformedError):
            self.feed(payload)

    def test_the_whole_input_may_come_with_the_block(self) -> None:
        events = self.feed(
            '{"type":"content_block_start","index":0,"content_block":'
            '{"type":"tool_use","id":"a","name":"f","input":{"x":1}}}',
            '{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":3}}',
            '{"type":"message_stop"}',
        )
        assert events[-1].tool_calls == (ToolCall("a", "f", '{"x":1}'),)  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            ('{"type":"overloaded_error","message":"Overloaded"}', "overloaded"),
            ('{"type":"api_error","message":"x"}', "server"),
            ('{"type":"rate_limit_error","message":"x"}', "rate_limited"),
            ("null", "server"),
        ],
    )
    def test_errors_in_mid_stream(self, error: str, kind: str) -> None:
        with pytest.raises(ProviderError) as caught:
            self.feed(f'{{"type":"error","error":{error}}}')
        assert caught.value.kind == kind
