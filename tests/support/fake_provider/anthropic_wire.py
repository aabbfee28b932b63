"""Anthropic's messages, from the server's side."""

from __future__ import annotations

from typing import Any

import orjson

from tests.support.fake_provider.script import Script
from tests.support.fake_provider.wire import Wire, answer_to, fragments, tokens

_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 503: "api_error", 529: "overloaded_error",
}  # fmt: skip
_STOP = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal"}


def _event(payload: dict[str, Any]) -> bytes:
    return f"event: {payload['type']}\n".encode() + b"data: " + orjson.dumps(payload) + b"\n\n"


class AnthropicWire(Wire):
    """`/v1/messages`."""

    def key_of(self, headers: dict[str, str]) -> str:
        """The key's own header."""
        return headers.get("x-api-key", "")

    def problem(self, body: dict[str, Any]) -> str:
        """Checks what the real server checks first."""
        messages = body.get("messages")
        if not body.get("model"):
            return "model: Field required"
        if not isinstance(body.get("max_tokens"), int):
            return "max_tokens: Field required"
        if not isinstance(messages, list) or not messages:
            return "messages: at least one message is required"
        if messages[0]["role"] != "user":
            return "messages: first message must use the user role"
        open_calls: set[str] = set()
        for message in messages:
            for block in self._blocks(message):
                if block["type"] == "text" and not block["text"].strip():
                    return "messages: text content blocks must be non-empty"
                if block["type"] == "tool_use":
                    open_calls.add(block["id"])
                if block["type"] == "tool_result" and block["tool_use_id"] not in open_calls:
                    return "unexpected `tool_use_id` found in `tool_result` blocks"
        return ""

    def events(self, script: Script, body: dict[str, Any]) -> list[bytes]:
        """The start, a ping, a block of text, a block a call, the stop reason with usage, the stop."""
        usage = self._usage(script, body)
        start = {**self._head(body), "content": [], "stop_reason": None, "stop_sequence": None,
                 "usage": {**usage, "output_tokens": 1} if script.usage else {}}  # fmt: skip
        events = [_event({"type": "message_start", "message": start})]
        index = 0
        if text := self._text(script, body):
            block: dict[str, Any] = {"type": "text", "text": ""}
            events.append(_event({"type": "content_block_start", "index": index, "content_block": block}))
            events.append(self.ping())
            events += [self._delta(index, {"type": "text_delta", "text": piece}) for piece in tokens(text)]
            events.append(_event({"type": "content_block_stop", "index": index}))
            index += 1
        for number, call in enumerate(script.tool_calls):
            block = {"type": "tool_use", "id": call.id or f"toolu_{number}", "name": call.name, "input": {}}
            events.append(_event({"type": "content_block_start", "index": index, "content_block": block}))
            events += [
                self._delta(index, {"type": "input_json_delta", "partial_json": piece})
                for piece in ("", *fragments(call.arguments))
            ]
            events.append(_event({"type": "content_block_stop", "index": index}))
            index += 1
        end = {"stop_reason": self._stop(script), "stop_sequence": None}
        final = {"output_tokens": usage["output_tokens"]} if script.usage else {}
        events.append(_event({"type": "message_delta", "delta": end, "usage": final}))
        if script.terminal:
            events.append(_event({"type": "message_stop"}))
        return events

    def whole(self, script: Script, body: dict[str, Any]) -> dict[str, Any]:
        """A `message`."""
        content: list[dict[str, Any]] = []
        if text := self._text(script, body):
            content.append({"type": "text", "text": text})
        content += [
            {"type": "tool_use", "id": call.id or f"toolu_{number}", "name": call.name,
             "input": orjson.loads(call.arguments)}
            for number, call in enumerate(script.tool_calls)
        ]  # fmt: skip
        return {**self._head(body), "content": content, "stop_reason": self._stop(script), "stop_sequence": None,
                "usage": self._usage(script, body)}  # fmt: skip

    def error(self, status: int, code: str, message: str) -> dict[str, Any]:
        """`{"type": "error", "error": {type, message}}`."""
        kind = code or _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"}

    def error_event(self, code: str, message: str) -> bytes:
        """An `error` event."""
        return _event(self.error(529, code, message))

    def ping(self) -> bytes:
        """A `ping` event."""
        return _event({"type": "ping"})

    def garbled(self) -> bytes:
        """An event that breaks off."""
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"typ\n\n'

    @staticmethod
    def _head(body: dict[str, Any]) -> dict[str, Any]:
        return {"id": "msg_fake", "type": "message", "role": "assistant", "model": body["model"]}

    @staticmethod
    def _delta(index: int, delta: dict[str, Any]) -> bytes:
        return _event({"type": "content_block_delta", "index": index, "delta": delta})

    @staticmethod
    def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
        content = message["content"]
        return [{"type": "text", "text": content}] if isinstance(content, str) else content

    def _text(self, script: Script, body: dict[str, Any]) -> str:
        if script.tool_calls and script.text is None:
            return ""
        texts = [
            block["text"]
            for message in body["messages"] if message["role"] == "user"
            for block in self._blocks(message) if block["type"] == "text"
        ]  # fmt: skip
        system = body.get("system", "")
        system = system if isinstance(system, str) else "".join(block["text"] for block in system)
        return answer_to(script, texts[-1] if texts else "", system)

    @staticmethod
    def _stop(script: Script) -> str:
        return "tool_use" if script.tool_calls and script.finish == "stop" else _STOP[script.finish]

    def _usage(self, script: Script, body: dict[str, Any]) -> dict[str, Any]:
        read = len(tokens(str(body.get("system", "")))) + sum(
            len(tokens(block.get("text", ""))) for message in body["messages"] for block in self._blocks(message)
        )
        made = len(tokens(self._text(script, body))) + sum(len(fragments(call.arguments)) for call in script.tool_calls)
        return {
            "input_tokens": max(0, read - script.cached_tokens), "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": script.cached_tokens, "output_tokens": made, "service_tier": "standard",
        }  # fmt: skip
