"""What the OpenAI provider sends, held against the SDK's own types, and the finish reasons it knows."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import openai.types.chat.chat_completion_chunk as chunks
import orjson
import pydantic
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

from deskwire_server.llm.decoder import MalformedError
from deskwire_server.llm.openai import DEFAULT_BASE_URL, FINISH_REASONS, ChatCompletionDecoder, OpenAIProvider
from deskwire_server.llm.port import (
    ChatMessage,
    CompletionRequest,
    Finished,
    FinishReason,
    Passage,
    ProviderError,
    ProviderEvent,
    ToolCall,
)
from deskwire_server.llm.prompt import with_passages
from tests.support.fake_provider.openai_wire import OpenAIWire
from tests.support.fake_provider.providers import KEY, SEARCH

PASSAGE = Passage(1, "a", "c", "Passwords", ("Reset",), "a.md", "https://help/a", "Open Settings.", 0.9)
HISTORY = (
    ChatMessage("user", "Where is my invoice?"),
    ChatMessage("assistant", "", tool_calls=(ToolCall("call_1", "search", '{"query":"invoice"}'),)),
    ChatMessage("tool", "2 results", tool_call_id="call_1"),
    ChatMessage("assistant", "Under Billing [1]."),
    ChatMessage("user", "And my password?"),
)
REQUEST = CompletionRequest(
    HISTORY, passages=(PASSAGE,), system="You help.", tools=(SEARCH,), temperature=0.0, max_tokens=77, stop=("END",)
)
SCHEMA = pydantic.TypeAdapter(CompletionCreateParamsStreaming)


def body_of(
    request: CompletionRequest, *, model: str = "gpt-4o-mini", base_url: str = DEFAULT_BASE_URL, **settings: Any
) -> dict[str, Any]:
    """The body, checked against the SDK's types and the fake's rules."""
    provider = OpenAIProvider(key=KEY, model=model, base_url=base_url, **settings)
    body: dict[str, Any] = orjson.loads(provider.body(request, request.model or provider.default_model))
    SCHEMA.validate_python(body)
    assert set(body) <= set(get_type_hints(CompletionCreateParamsStreaming))
    assert OpenAIWire().problem(body) == ""
    return body


def test_body() -> None:
    assert body_of(REQUEST) == {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": with_passages(REQUEST)},
            {"role": "user", "content": "Where is my invoice?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "search", "arguments": '{"query":"invoice"}'},
                    }
                ],
            },
            {"role": "tool", "content": "2 results", "tool_call_id": "call_1"},
            {"role": "assistant", "content": "Under Billing [1]."},
            {"role": "user", "content": "And my password?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "stop": ["END"],
        "max_completion_tokens": 77,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "search",
                    "description": "Search the help pages.",
                    "parameters": SEARCH.input_schema,
                },
            }
        ],
    }


def test_passages_are_in_the_system_prompt() -> None:
    system = body_of(REQUEST)["messages"][0]["content"]
    assert system.startswith("You help.")
    assert "Open Settings." in system


def test_settings_stand_in_for_what_a_request_leaves_out() -> None:
    request = CompletionRequest((ChatMessage("user", "Hi"),), system="x")
    body = body_of(request, temperature=0.3, max_tokens=50)
    assert (body["temperature"], body["max_completion_tokens"]) == (0.3, 50)
    bare = body_of(request)
    assert set(bare) == {"model", "messages", "stream", "stream_options"}


def test_a_request_names_its_model() -> None:
    assert body_of(CompletionRequest((ChatMessage("user", "Hi"),), model="gpt-4o"))["model"] == "gpt-4o"


def test_other_servers_get_the_older_name_of_the_limit() -> None:
    body = body_of(REQUEST, base_url="http://127.0.0.1:11434/v1")
    assert body["max_tokens"] == 77
    assert "max_completion_tokens" not in body


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("gpt-4o-mini", True), ("gpt-4.1", True), ("gpt-4", True), ("chatgpt-4o-latest", True),
        ("ft:gpt-4o:acme", True),
        ("o1", False), ("o3-mini", False), ("o4-mini-2025-04-16", False), ("gpt-5", False), ("gpt-5.1-mini", False),
        ("gpt-10", False),
    ],
)  # fmt: skip
def test_models_that_think_first_get_no_temperature(model: str, takes: bool) -> None:
    body = body_of(REQUEST, model=model)
    assert ("temperature" in body, "stop" in body) == (takes, takes)
    elsewhere = body_of(REQUEST, model=model, base_url="http://127.0.0.1:8000/v1")
    assert "temperature" in elsewhere, "names mean nothing at another server"


def test_a_window_that_begins_in_the_middle_is_made_sound() -> None:
    body = body_of(CompletionRequest(HISTORY[2:], system="x"))
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_every_finish_reason_of_the_sdk_is_mapped() -> None:
    known = get_args(get_args(chunks.Choice.model_fields["finish_reason"].annotation)[0])
    assert set(FINISH_REASONS) == set(known)


class TestDecoder:
    @staticmethod
    def feed(*payloads: str) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        ChatCompletionDecoder("openai", "m").feed("".join(f"data: {line}\n\n" for line in payloads).encode(), events)
        return events

    @pytest.mark.parametrize(
        "payload",
        [
            "{", "[]", "1", "null", '"x"', "nonsense", '{"choices":{}}x', '{"choices":[1]}', '{"choices":{"a":1}}',
            '{"choices":[{"delta":3}]}', '{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}',
            '{"choices":[{"delta":{"tool_calls":["x"]}}]}', '{"choices":[{"delta":{"content":7}}]}', '{"usage":3}',
        ],
    )  # fmt: skip
    def test_unknown_shapes_are_malformed(self, payload: str) -> None:
        with pytest.raises(MalformedError):
            self.feed(payload)

    def test_the_end_without_a_finish_reason_is_a_cut(self) -> None:
        with pytest.raises(ProviderError) as caught:
            self.feed('{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}', "[DONE]")
        assert caught.value.kind == "cut"

    @pytest.mark.parametrize("reason", ["error", "abort"])
    def test_a_server_that_gives_up(self, reason: str) -> None:
        with pytest.raises(ProviderError) as caught:
            self.feed(f'{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}')
        assert caught.value.kind == "server"

    @pytest.mark.parametrize("arguments", ["{", "[]", "1", "nonsense"])
    def test_arguments_that_are_no_object(self, arguments: str) -> None:
        call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}
        chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
        with pytest.raises(MalformedError):
            self.feed(orjson.dumps(chunk).decode(), "[DONE]")

    def test_calls_without_index_or_id(self) -> None:
        first = {"function": {"name": "f", "arguments": {"a": 1}}}
        chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [first]}, "finish_reason": "stop"}]}
        finished = self.feed(orjson.dumps(chunk).decode(), "[DONE]")[-1]
        assert isinstance(finished, Finished)
        assert finished.tool_calls == (ToolCall("call_0", "f", '{"a":1}'),)
        assert finished.reason is FinishReason.TOOL_CALLS

    def test_nothing_after_the_end_is_read(self) -> None:
        events = self.feed('{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}', "[DONE]", "nonsense")
        assert len(events) == 1
