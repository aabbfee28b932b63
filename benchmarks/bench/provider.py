"""A model server that costs little: prepared bytes over a bare protocol, in a process of its own.

Speaks as much HTTP as its callers need: POST with a content length, answers as chunked event streams, one after the
other on a kept connection. The model's name says whether an answer is paced. Prints its base URL when it listens.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import orjson
import uvloop

from benchmarks.bench.script import BETWEEN_TOKENS, FIRST_TOKEN, PACED, TOKENS, WORDS

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_PACED = f'"{PACED}"'.encode()


def _chunk(payload: bytes) -> bytes:
    event = b"data: " + payload + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


def _payload(delta: dict[str, str], finish: str | None = None, **more: object) -> bytes:
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "bench"}
    return orjson.dumps({**head, "system_fingerprint": "fp_bench", "choices": choices, **more})


_FIRST = _chunk(_payload({"role": "assistant", "content": ""})) + _chunk(_payload({"content": WORDS[0]}))
_LATER = [_chunk(_payload({"content": word})) for word in WORDS[1:]]
_USAGE = {"prompt_tokens": 100, "completion_tokens": TOKENS, "total_tokens": 100 + TOKENS}
_LAST = (
    _chunk(_payload({}, "stop"))
    + _chunk(orjson.dumps({**orjson.loads(_payload({})), "choices": [], "usage": _USAGE}))
    + _chunk(b"[DONE]")
    + b"0\r\n\r\n"
)
_WHOLE = _HEAD + _FIRST + b"".join(_LATER) + _LAST


class _Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._began = 0.0
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.WriteTransport, transport).write

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        size = next(
            int(line.partition(b":")[2])
            for line in self._received[:head].lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        if len(self._received) < head + 4 + size:
            return
        body = bytes(self._received[head + 4 : head + 4 + size])
        del self._received[: head + 4 + size]
        if _PACED in body:
            self._began = self._loop.time()
            self._sent = 0
            self._timer = self._loop.call_at(self._began + FIRST_TOKEN, self._next)
        else:
            self._write(_WHOLE)

    def _next(self) -> None:
        """Send one token; the clock, not the last token, says when the next one leaves."""
        self._write(_HEAD + _FIRST if not self._sent else _LATER[self._sent - 1])
        self._sent += 1
        if self._sent == TOKENS:
            self._write(_LAST)
            return
        self._timer = self._loop.call_at(self._began + FIRST_TOKEN + self._sent * BETWEEN_TOKENS, self._next)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
    sys.exit(0)
