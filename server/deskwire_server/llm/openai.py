"""OpenAI's chat completions, and the wire that most other model servers speak."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

import orjson

from deskwire_server.llm.decoder import Decoder
from deskwire_server.llm.endpoint import Endpoint, checked_base_url, checked_key
from deskwire_server.llm.failures import failure, from_error_object
from deskwire_server.llm.history import from_first_question
from deskwire_server.llm.http import Timeouts
from deskwire_server.llm.port import (
    ChatMessage,
    CompletionRequest,
    Finished,
    FinishReason,
    ProviderEvent,
    ToolCallStarted,
    ToolSpec,
    Usage,
)
from deskwire_server.llm.prompt import with_passages
from deskwire_server.llm.stream import StreamingProvider
from deskwire_server.llm.toolcalls import PendingCall, completed
from deskwire_server.settings import Settings

if TYPE_CHECKING:
    # The SDK is the reference for the wire's types; importing it costs half a second and is not needed to run.
    from openai.types.chat import (
        ChatCompletionAssistantMessageParam,
        ChatCompletionFunctionToolParam,
        ChatCompletionMessageParam,
    )
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

DEFAULT_BASE_URL = "https://api.openai.com/v1"

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}
"""Other words, which compatible servers have of their own, count as `stop`, but for those of `_BROKEN`."""

_BROKEN = frozenset({"error", "abort"})
_REASONING_MODEL = re.compile(r"(o\d|gpt-([5-9]|\d\d))(?![a-z\d])")
"""OpenAI's models that think first refuse a temperature and stop sequences."""


class OpenAIProvider(StreamingProvider):
    """OpenAI, or a server that speaks its protocol at `base_url` (ending in /v1).

    `key` may be None for servers that ask for none.
    """

    name: ClassVar[str] = "openai"
    path: ClassVar[str] = "/chat/completions"

    def __init__(
        self,
        *,
        key: str | None,
        model: str,
        base_url: str = DEFAULT_BASE_URL,
        temperature: float | None = None,
        max_tokens: int | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        url = checked_base_url(base_url)
        headers = {} if key is None else {"authorization": f"Bearer {checked_key(key)}"}
        super().__init__(Endpoint(self.name, url, headers), model=model, timeouts=timeouts or Timeouts())
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._is_openai = urlsplit(url).hostname == "api.openai.com"

    @classmethod
    def configured(cls, settings: Settings) -> Self | None:
        """On where OPENAI_API_KEY is set."""
        if settings.openai_api_key is None:
            return None
        return cls(
            key=settings.openai_api_key.get_secret_value(),
            model=settings.openai_model,
            base_url=settings.openai_base_url or DEFAULT_BASE_URL,
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            timeouts=Timeouts.of(settings),
        )

    def body(self, request: CompletionRequest, model: str) -> bytes:
        """The call's JSON body."""
        call: CompletionCreateParamsStreaming = {
            "model": model,
            "messages": _messages(request),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if not (self._is_openai and _REASONING_MODEL.match(model)):
            if (temperature := self._temperature if request.temperature is None else request.temperature) is not None:
                call["temperature"] = temperature
            if request.stop:
                call["stop"] = list(request.stop)
        if (max_tokens := request.max_tokens or self._max_tokens) is not None:
            # The old name is deprecated at OpenAI and the only one that many other servers know.
            call["max_completion_tokens" if self._is_openai else "max_tokens"] = max_tokens
        if request.tools:
            call["tools"] = [_tool(tool) for tool in request.tools]
        return orjson.dumps(call)

    def decoder(self, model: str) -> Decoder:
        """A decoder for one answer."""
        return ChatCompletionDecoder(self.name, model)


class ChatCompletionDecoder(Decoder):
    """Reads `chat.completion.chunk` payloads up to `[DONE]`."""

    def __init__(self, provider: str, model: str) -> None:
        super().__init__(provider, model)
        self._calls: list[PendingCall] = []
        self._by_index: dict[int, PendingCall] = {}
        self._reason: FinishReason | None = None
        self._refused = False
        self._usage = Usage()

    def payload(self, payload: bytes, events: list[ProviderEvent]) -> None:
        """Take one chunk."""
        if payload == b"[DONE]":
            # Without a finish reason the model never said that it was done.
            if not self.end(events):
                raise failure(self._provider, "cut")
            return
        chunk = orjson.loads(payload)
        if (error := chunk.get("error")) is not None:
            raise from_error_object(self._provider, error)
        if usage := chunk.get("usage"):
            self._usage = _usage(usage)
        if choices := chunk.get("choices"):
            self._model = chunk.get("model") or self._model
            choice = choices[0]
            if delta := choice.get("delta"):
                self.tokens += 1
                self._delta(delta, events)
            if reason := choice.get("finish_reason"):
                if reason in _BROKEN:
                    raise failure(self._provider, "server")
                self._reason = FINISH_REASONS.get(reason, FinishReason.STOP)

    def place(self, event: Any) -> tuple[dict[str, Any], str] | None:
        """The first choice's content, where nothing else is said."""
        if event.get("error") is not None or event.get("usage") or not event.get("choices"):
            return None
        choice = event["choices"][0]
        delta = choice.get("delta") or {}
        if choice.get("finish_reason") or delta.get("refusal") or delta.get("tool_calls") or not delta.get("content"):
            return None
        return delta, "content"

    def end(self, events: list[ProviderEvent]) -> bool:
        """Whole once a finish reason has come: a missing `[DONE]` or usage takes nothing from the answer."""
        if self._reason is None:
            return False
        calls = completed(self._calls, self._reason)
        reason = self._reason
        if self._refused:
            reason = FinishReason.CONTENT_FILTER
        elif calls and reason is FinishReason.STOP:
            # Some servers end with `stop` and leave it to the client to see the calls.
            reason = FinishReason.TOOL_CALLS
        self._emit(Finished(reason, self._model, self._usage, calls), events)
        return True

    def _delta(self, delta: dict[str, Any], events: list[ProviderEvent]) -> None:
        if text := delta.get("content"):
            self._say(text)
        if refusal := delta.get("refusal"):
            self._refused = True
            self._say(refusal)
        for fragment in delta.get("tool_calls") or ():
            self._tool_call(fragment, events)

    def _tool_call(self, fragment: dict[str, Any], events: list[ProviderEvent]) -> None:
        function = fragment.get("function") or {}
        index = fragment.get("index")
        call = self._by_index.get(index) if index is not None else (self._calls[-1] if self._calls else None)
        name, call_id = function.get("name"), fragment.get("id")
        # A name opens a call. Servers that send calls whole may give all of them the index 0, or none.
        if call is None or (name and call_id and call_id != call.id):
            if not name:
                raise ValueError("a tool call without a name")
            call = PendingCall(call_id or f"call_{len(self._calls)}", name)
            self._calls.append(call)
            if index is not None:
                self._by_index[index] = call
            self._emit(ToolCallStarted(call.id, call.name), events)
        if arguments := function.get("arguments"):
            # Older servers send the object itself instead of its JSON text.
            call.arguments.append(arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode())


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        input_tokens=usage.get("prompt_tokens") or 0,
        output_tokens=usage.get("completion_tokens") or 0,
        cached_input_tokens=details.get("cached_tokens") or 0,
    )


def _messages(request: CompletionRequest) -> list[ChatCompletionMessageParam]:
    system = with_passages(request)
    messages: list[ChatCompletionMessageParam] = [{"role": "system", "content": system}] if system else []
    messages.extend(_message(message) for message in from_first_question(request.messages))
    return messages


def _message(message: ChatMessage) -> ChatCompletionMessageParam:
    if message.role == "user":
        return {"role": "user", "content": message.content}
    if message.role == "tool":
        return {"role": "tool", "content": message.content, "tool_call_id": message.tool_call_id}
    answer: ChatCompletionAssistantMessageParam = {"role": "assistant", "content": message.content or None}
    if message.tool_calls:
        answer["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    elif not message.content:
        answer["content"] = ""
    return answer


def _tool(tool: ToolSpec) -> ChatCompletionFunctionToolParam:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.input_schema},
    }
