"""Anthropic's messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import orjson

from deskwire_server.llm.decoder import Decoder
from deskwire_server.llm.endpoint import Endpoint, checked_base_url, checked_key
from deskwire_server.llm.failures import from_error_object
from deskwire_server.llm.history import from_first_question
from deskwire_server.llm.http import Timeouts
from deskwire_server.llm.port import (
    ChatMessage,
    CompletionRequest,
    Finished,
    FinishReason,
    ProviderEvent,
    ToolCallStarted,
    Usage,
)
from deskwire_server.llm.prompt import with_passages
from deskwire_server.llm.stream import StreamingProvider
from deskwire_server.llm.toolcalls import PendingCall, completed
from deskwire_server.settings import Settings

if TYPE_CHECKING:
    # The SDK is the reference for the wire's types; importing it costs half a second and is not needed to run.
    from anthropic.types import ContentBlockParam, MessageParam
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

    class _Call(MessageCreateParamsStreaming, total=False):
        temperature: float
        """Part of this version of the API, and no longer of the SDK's types."""


DEFAULT_BASE_URL = "https://api.anthropic.com"
API_VERSION = "2023-06-01"
"""The version that takes a temperature from the models that have one, and the one that compatible servers know."""
DEFAULT_MAX_TOKENS = 1_000

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "pause_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}

_NO_TEMPERATURE = re.compile(r"claude-(?!(instant|[23])\b)(?![a-z]+-4(-[0-6])?(-(\d{8}|latest))?$)")
"""Claude models since 4.7 refuse a temperature. Names that don't begin with `claude-` are aliases of a gateway."""


class AnthropicProvider(StreamingProvider):
    """Anthropic, or a server that speaks its protocol at `base_url` (without /v1)."""

    name: ClassVar[str] = "anthropic"
    path: ClassVar[str] = "/v1/messages"

    def __init__(
        self,
        *,
        key: str,
        model: str,
        base_url: str = DEFAULT_BASE_URL,
        temperature: float | None = None,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        timeouts: Timeouts | None = None,
    ) -> None:
        headers = {"x-api-key": checked_key(key), "anthropic-version": API_VERSION}
        url = checked_base_url(base_url).removesuffix("/v1")
        super().__init__(Endpoint(self.name, url, headers), model=model, timeouts=timeouts or Timeouts())
        self._temperature = temperature
        self._max_tokens = max_tokens

    @classmethod
    def configured(cls, settings: Settings) -> Self | None:
        """On where ANTHROPIC_API_KEY is set."""
        if settings.anthropic_api_key is None:
            return None
        return cls(
            key=settings.anthropic_api_key.get_secret_value(),
            model=settings.anthropic_model,
            base_url=settings.anthropic_base_url or DEFAULT_BASE_URL,
            temperature=settings.temperature,
            max_tokens=settings.anthropic_max_tokens or settings.max_tokens,
            timeouts=Timeouts.of(settings),
        )

    def body(self, request: CompletionRequest, model: str) -> bytes:
        """The call's JSON body."""
        call: _Call = {
            "model": model,
            "messages": _messages(from_first_question(request.messages)),
            "max_tokens": request.max_tokens or self._max_tokens,
            "stream": True,
        }
        if system := with_passages(request):
            call["system"] = system
        temperature = self._temperature if request.temperature is None else request.temperature
        if temperature is not None and not _NO_TEMPERATURE.match(model):
            call["temperature"] = min(temperature, 1.0)
        if stop := [word for word in request.stop if word.strip()]:
            # A stop sequence of blanks alone is refused.
            call["stop_sequences"] = stop
        if request.tools:
            call["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
                for tool in request.tools
            ]
        return orjson.dumps(call)

    def decoder(self, model: str) -> Decoder:
        """A decoder for one answer."""
        return MessageDecoder(self.name, model)


class MessageDecoder(Decoder):
    """Reads the payloads of a message, from `message_start` to `message_stop`."""

    def __init__(self, provider: str, model: str) -> None:
        super().__init__(provider, model)
        self._calls: list[PendingCall] = []
        self._by_index: dict[int, PendingCall] = {}
        self._reason: FinishReason | None = None
        self._usage: dict[str, int] = {}

    def payload(self, payload: bytes, events: list[ProviderEvent]) -> None:
        """Take one event. Events and deltas of unknown types are skipped, as the format's rules ask."""
        event = orjson.loads(payload)
        kind = event["type"]
        if kind == "content_block_delta":
            self.tokens += 1
            self._delta(event["index"], event["delta"])
        elif kind == "content_block_start":
            self.tokens += 1
            self._block(event["index"], event["content_block"], events)
        elif kind == "message_start":
            message = event["message"]
            self._model = message.get("model") or self._model
            self._count(message.get("usage"))
        elif kind == "message_delta":
            self._count(event.get("usage"))
            if reason := event["delta"].get("stop_reason"):
                self._reason = FINISH_REASONS.get(reason, FinishReason.STOP)
        elif kind == "message_stop":
            self._reason = self._reason or FinishReason.STOP
            self.end(events)
        elif kind == "error":
            raise from_error_object(self._provider, event.get("error"))

    def place(self, event: Any) -> tuple[dict[str, Any], str] | None:
        """The text of a text's delta."""
        if event["type"] != "content_block_delta" or event["delta"]["type"] != "text_delta":
            return None
        return event["delta"], "text"

    def end(self, events: list[ProviderEvent]) -> bool:
        """Whole once a stop reason has come: a missing `message_stop` takes nothing from the answer."""
        if self._reason is None:
            return False
        calls = completed(self._calls, self._reason)
        cached = self._usage.get("cache_read_input_tokens", 0)
        usage = Usage(
            # Anthropic counts what came from the cache, and what was put there, beside the rest.
            input_tokens=self._usage.get("input_tokens", 0)
            + self._usage.get("cache_creation_input_tokens", 0)
            + cached,
            output_tokens=self._usage.get("output_tokens", 0),
            cached_input_tokens=cached,
        )
        self._emit(Finished(self._reason, self._model, usage, calls), events)
        return True

    def _block(self, index: int, block: dict[str, Any], events: list[ProviderEvent]) -> None:
        if block["type"] == "text":
            self._say(block.get("text", ""))
        elif block["type"] == "tool_use":
            call = PendingCall(block["id"], block["name"])
            if block.get("input"):
                # Compatible servers may send the whole input here instead of in deltas.
                call.arguments.append(orjson.dumps(block["input"]).decode())
            self._calls.append(call)
            self._by_index[index] = call
            self._emit(ToolCallStarted(call.id, call.name), events)

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        if delta["type"] == "text_delta":
            self._say(delta["text"])
        elif delta["type"] == "input_json_delta" and index in self._by_index:
            self._by_index[index].arguments.append(delta["partial_json"])

    def _count(self, usage: dict[str, Any] | None) -> None:
        """Counts are cumulative: the last one of each name is right."""
        for name, value in (usage or {}).items():
            if isinstance(value, int):
                self._usage[name] = value


def _messages(history: list[ChatMessage]) -> list[MessageParam]:
    """Turns of user and assistant in alternation; results of tools belong to the user's turn, before its text."""
    messages: list[MessageParam] = []
    blocks: list[ContentBlockParam] = []
    for message in history:
        if not (added := _blocks(message)):
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if not messages or messages[-1]["role"] != role:
            blocks = []
            messages.append(_answer(blocks) if role == "assistant" else _question(blocks))
        blocks.extend(added)
    return messages


def _question(blocks: list[ContentBlockParam]) -> MessageParam:
    return {"role": "user", "content": blocks}


def _answer(blocks: list[ContentBlockParam]) -> MessageParam:
    return {"role": "assistant", "content": blocks}


def _blocks(message: ChatMessage) -> list[ContentBlockParam]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}]
    # An empty text block is refused.
    blocks: list[ContentBlockParam] = [{"type": "text", "text": message.content}] if message.content.strip() else []
    for call in message.tool_calls:
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": orjson.loads(call.arguments)})
    return blocks
