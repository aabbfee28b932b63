"""A real HTTP server that speaks both providers' protocols, misbehaves on command and remembers who asked what.

Scripts queue up and serve one request each; with an empty queue the standing script serves. Over HTTP the same is
done by `PUT /fake/scripts` with `{"queue": [...], "standing": {...}}`; `GET /fake/requests` tells what came, and
`DELETE /fake/requests` forgets it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from tests.support.fake_provider import embeddings
from tests.support.fake_provider.anthropic_wire import AnthropicWire
from tests.support.fake_provider.openai_wire import OpenAIWire
from tests.support.fake_provider.script import Script
from tests.support.fake_provider.wire import Wire

_HUGE = 4 * 1024 * 1024


@dataclass
class Recorded:
    """One request. Times are those of `time.monotonic`."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int
    """The same number for requests on the same connection."""
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    complete: bool = False
    """Whether the answer went out whole, as the script has it."""
    client_left: bool = False
    """Whether the client closed the connection before that."""
    sent: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def as_json(self) -> dict[str, Any]:
        """All but the headers, which carry the key."""
        names = ("path", "body", "connection", "began", "ended", "complete", "client_left", "sent")
        return {name: getattr(self, name) for name in names}


class _CutError(Exception):
    """The script closes the connection here."""


class FakeProvider:
    """The server. Use it as an async context manager, or start and close it."""

    def __init__(self, *, key: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`key`: the only one that is accepted; None accepts any."""
        self.requests: list[Recorded] = []
        self.arrived = asyncio.Event()
        """Set by the first request."""
        self.standing = Script()
        self._queue: deque[Script] = deque()
        self._key = key
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self.url = ""
        """Address without a path: Anthropic's base URL."""

    @property
    def openai_url(self) -> str:
        """OpenAI's base URL."""
        return f"{self.url}/v1"

    def enqueue(self, *scripts: Script) -> None:
        """Serve the next requests by these, one each."""
        self._queue.extend(scripts)

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 picks a free one."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._handler(OpenAIWire()))
        app.router.add_post("/v1/messages", self._handler(AnthropicWire()))
        app.router.add_post("/v1/embeddings", self._embeddings)
        app.router.add_get("/v1/models", self._models)
        app.router.add_put("/fake/scripts", self._put_scripts)
        app.router.add_get("/fake/requests", self._get_requests)
        app.router.add_delete("/fake/requests", self._delete_requests)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=self._tls)
        await site.start()
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://{host}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _handler(self, wire: Wire) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._recorded(wire, request)

        return handle

    async def _recorded(self, wire: Wire, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        headers = {name.lower(): value for name, value in request.headers.items()}
        record = Recorded(request.path, headers, body, connection=id(request.transport))
        self.requests.append(record)
        self.arrived.set()
        script = self._queue.popleft() if self._queue else self.standing
        try:
            response = await self._answer(wire, request, record, script)
            record.complete = True
            return response
        except _CutError:
            return web.Response()
        except (asyncio.CancelledError, ConnectionResetError):
            record.client_left = True
            raise
        finally:
            record.ended = time.monotonic()
            record.over.set()

    async def _answer(self, wire: Wire, request: web.Request, record: Recorded, script: Script) -> web.StreamResponse:
        await asyncio.sleep(script.delay)
        if self._key is not None and wire.key_of(record.headers) != self._key:
            return _json(401, wire.error(401, "", f"Incorrect API key provided: {wire.key_of(record.headers)}."))
        if script.redirect_to:
            return web.Response(status=307, headers={"location": script.redirect_to})
        if script.status != 200:
            error = wire.error(script.status, script.error_code, script.error_message or "as the script says")
            return _json(script.status, error, script.headers)
        if problem := wire.problem(record.body):
            return _json(400, wire.error(400, "", problem))
        if not record.body.get("stream"):
            return _json(200, wire.whole(script, record.body), script.headers)
        response = web.StreamResponse(headers={"content-type": script.content_type, **script.headers})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await _Player(wire, request, response, record, script).play()
        await response.write_eof()
        return response

    async def _embeddings(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        headers = {name.lower(): value for name, value in request.headers.items()}
        record = Recorded(request.path, headers, body, connection=id(request.transport))
        self.requests.append(record)
        script = self._queue.popleft() if self._queue else self.standing
        await asyncio.sleep(script.delay)
        record.ended, record.complete = time.monotonic(), True
        record.over.set()
        if script.status != 200:
            error = OpenAIWire().error(script.status, script.error_code, script.error_message)
            return _json(script.status, error, script.headers)
        return _json(200, embeddings.answer(body))

    async def _models(self, request: web.Request) -> web.Response:
        return _json(200, {"object": "list", "data": [{"id": "fake", "object": "model", "owned_by": "tests"}]})

    async def _put_scripts(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        self._queue.clear()
        self.enqueue(*(Script.of(values) for values in body.get("queue", ())))
        if "standing" in body:
            self.standing = Script.of(body["standing"])
        return _json(200, {})

    async def _get_requests(self, request: web.Request) -> web.Response:
        return _json(200, {"requests": [record.as_json() for record in self.requests]})

    async def _delete_requests(self, request: web.Request) -> web.Response:
        self.requests.clear()
        return _json(200, {})


class _Player:
    """Sends one scripted stream."""

    def __init__(
        self, wire: Wire, request: web.Request, response: web.StreamResponse, record: Recorded, script: Script
    ) -> None:
        self._wire = wire
        self._request = request
        self._response = response
        self._record = record
        self._script = script

    async def play(self) -> None:
        """Send the events, with the faults in their places. Raises _CutError where the connection was closed."""
        script = self._script
        await self._wait(script.first_token_delay)
        events = self._with_faults(self._wire.events(script, self._record.body))
        for number, event in enumerate(events):
            if number == script.stall_at:
                await self._wait(None)
            if number == script.cut_at:
                await self._cut()
            if number and script.pace:
                await asyncio.sleep(script.pace)
            await self._write(event)
            if number == script.error_at:
                return

    def _with_faults(self, events: list[bytes]) -> Iterable[bytes]:
        script = self._script
        for number, event in enumerate(events):
            if number == script.garble_at:
                yield self._wire.garbled()
            elif number == script.huge_at:
                yield b"data: " + b"x" * _HUGE + b"\n\n"
            elif number == script.error_at:
                yield self._wire.error_event(script.error_code, script.error_message or "as the script says")
            else:
                yield event

    async def _wait(self, seconds: float | None) -> None:
        """Wait, for good with None; the handler is cancelled when the client leaves."""
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            left = 3_600.0 if end is None else end - time.monotonic()
            if self._script.pings is None:
                await asyncio.sleep(left)
            else:
                await asyncio.sleep(min(left, self._script.pings))
                await self._response.write(self._wire.ping())

    async def _write(self, event: bytes) -> None:
        limit = self._script.cut_at_byte
        cut = limit is not None and self._record.sent + len(event) >= limit
        if cut and limit is not None:
            event = event[: limit - self._record.sent]
        size = self._script.chunk_bytes or max(1, len(event))
        for start in range(0, len(event), size):
            await self._response.write(event[start : start + size])
        self._record.sent += len(event)
        if cut:
            await self._cut()

    async def _cut(self) -> None:
        if self._request.transport is not None:
            self._request.transport.close()
        raise _CutError


def _json(status: int, body: Any, headers: Any = None) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=headers)
