"""OpenAI's chat completions, from the server's side."""

from __future__ import annotations

import time
from typing import Any

from tests.support.fake_provider.script import Script
from tests.support.fake_provider.wire import Wire, answer_to, data, fragments, tokens

_CODES = {
    400: "invalid_request_error", 401: "invalid_api_key", 403: "permission_denied", 404: "model_not_found",
    429: "rate_limit_exceeded", 500: "server_error", 503: "slow_down",
}  # fmt: skip
_FINISH = {"stop": "stop", "length": "length", "refusal": "content_filter"}


class OpenAIWire(Wire):
    """`/v1/chat/completions`."""

    def key_of(self, headers: dict[str, str]) -> str:
        """The bearer."""
        return headers.get("authorization", "").removeprefix("Bearer ")

    def problem(self, body: dict[str, Any]) -> str:
        """Checks what a real server checks first."""
        messages = body.get("messages")
        if not body.get("model"):
            return "you must provide a model parameter"
        if not isinstance(messages, list) or not messages:
            return "messages: [] is too short"
        open_calls: set[str] = set()
        for message in messages:
            if message["role"] not in ("system", "developer", "user", "assistant", "tool"):
                return f"invalid role {message['role']}"
            if message["role"] == "tool" and message.get("tool_call_id") not in open_calls:
                return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
            if message.get("content") is None and not message.get("tool_calls"):
                return "content must not be null"
            open_calls |= {call["id"] for call in message.get("tool_calls", ())}
        return ""

    def events(self, script: Script, body: dict[str, Any]) -> list[bytes]:
        """A role, then text, then calls, the finish reason, usage and `[DONE]`."""
        head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": int(time.time()),
                "model": body["model"], "system_fingerprint": "fp_fake"}  # fmt: skip

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return data({**head, "choices": [choice], "usage": None})

        events = [chunk({"role": "assistant", "content": "" if not script.tool_calls else None, "refusal": None})]
        events += [chunk({"content": piece}) for piece in tokens(self._text(script, body))]
        for index, call in enumerate(script.tool_calls):
            function = {"name": call.name, "arguments": ""}
            opening = {"index": index, "id": call.id or f"call_{index}", "type": "function", "function": function}
            events.append(chunk({"tool_calls": [opening]}))
            events += [
                chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
                for piece in fragments(call.arguments)
            ]
        events.append(chunk({}, self._finish(script)))
        if script.usage and (body.get("stream_options") or {}).get("include_usage"):
            events.append(data({**head, "choices": [], "usage": self._usage(script, body)}))
        if script.terminal:
            events.append(b"data: [DONE]\n\n")
        return events

    def whole(self, script: Script, body: dict[str, Any]) -> dict[str, Any]:
        """A `chat.completion`."""
        message: dict[str, Any] = {"role": "assistant", "content": self._text(script, body), "refusal": None}
        if script.tool_calls:
            message["tool_calls"] = [
                {"id": call.id or f"call_{index}", "type": "function",
                 "function": {"name": call.name, "arguments": call.arguments}}
                for index, call in enumerate(script.tool_calls)
            ]  # fmt: skip
        return {
            "id": "chatcmpl-fake", "object": "chat.completion", "created": int(time.time()), "model": body["model"],
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish(script)}],
            "usage": self._usage(script, body),
        }  # fmt: skip

    def error(self, status: int, code: str, message: str) -> dict[str, Any]:
        """`{"error": {message, type, param, code}}`."""
        code = code or _CODES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def error_event(self, code: str, message: str) -> bytes:
        """An error object in place of a chunk."""
        return data(self.error(500, code, message))

    def ping(self) -> bytes:
        """A comment."""
        return b": keep-alive\n\n"

    def garbled(self) -> bytes:
        """A chunk that breaks off."""
        return b'data: {"id":"chatcmpl-fake","choices":[{"index":0,"delta":{"content":"brok\n\n'

    @staticmethod
    def _text(script: Script, body: dict[str, Any]) -> str:
        if script.tool_calls and script.text is None:
            return ""
        contents = {message["role"]: message.get("content") or "" for message in body["messages"]}
        return answer_to(script, contents.get("user", ""), contents.get("system", ""))

    @staticmethod
    def _finish(script: Script) -> str:
        return "tool_calls" if script.tool_calls and script.finish == "stop" else _FINISH[script.finish]

    def _usage(self, script: Script, body: dict[str, Any]) -> dict[str, Any]:
        prompt = sum(len(tokens(message.get("content") or "")) for message in body["messages"])
        made = len(tokens(self._text(script, body))) + sum(len(fragments(call.arguments)) for call in script.tool_calls)
        return {
            "prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made,
            "prompt_tokens_details": {"cached_tokens": script.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }  # fmt: skip
