"""Every fault at every point of a stream, over real HTTP: what came before it is kept, and its kind is right."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from email.utils import formatdate
from typing import Any, get_args

import orjson
import pytest
import structlog

from deskwire_server.errors import InvalidArgument
from deskwire_server.llm.endpoint import checked_base_url, checked_key
from deskwire_server.llm.failures import MAX_RETRY_AFTER, MESSAGES, Kind, from_error_object, from_response, retry_after
from deskwire_server.llm.http import Timeouts
from deskwire_server.llm.port import Finished, ProviderError, ProviderEvent
from deskwire_server.llm.stream import StreamingProvider
from tests.support.fake_provider import FakeProvider, Script, ScriptedCall
from tests.support.fake_provider.anthropic_wire import AnthropicWire
from tests.support.fake_provider.openai_wire import OpenAIWire
from tests.support.fake_provider.providers import KEY, WIRES, Connect, ask, collect, text_of

pytestmark = pytest.mark.enable_socket
each_wire = pytest.mark.parametrize("wire", WIRES)

TEXT = "one two three four"
CALL = ScriptedCall("search", '{"query": "x"}')
SCRIPT = Script(text=TEXT, tool_calls=(CALL,))
QUICK = Timeouts(connect=2, first_token=0.5, between_tokens=0.25, response=1.0)


async def fail(provider: StreamingProvider) -> tuple[list[ProviderEvent], ProviderError]:
    """The events before the failure, and the failure."""
    events: list[ProviderEvent] = []

    async def read() -> None:
        async for event in provider.stream(ask()):
            events.append(event)

    with pytest.raises(ProviderError) as caught:
        await read()
    assert caught.value.provider == provider.name
    assert caught.value.metadata == {"provider": provider.name, "kind": caught.value.kind}
    return events, caught.value


def events_of(wire: str) -> list[bytes]:
    """The events that the fake sends for SCRIPT."""
    if wire == "anthropic":
        return AnthropicWire().events(SCRIPT, {"model": "m", "messages": [{"role": "user", "content": "q"}]})
    body = {"model": "m", "messages": [{"role": "user", "content": "q"}], "stream_options": {"include_usage": True}}
    return OpenAIWire().events(SCRIPT, body)


def last_needed(wire: str) -> int:
    """The event that carries the finish reason: with it the answer is whole."""
    needle = b'"stop_reason":"tool_use"' if wire == "anthropic" else b'"finish_reason":"tool_calls"'
    return next(number for number, event in enumerate(events_of(wire)) if needle in event)


def with_fault(**fault: Any) -> Script:
    return Script(text=TEXT, tool_calls=(CALL,), **fault)


@each_wire
class TestAtEveryEvent:
    async def test_cut(self, fake: FakeProvider, wire: str, connect: Connect) -> None:
        provider = connect(wire, fake)
        for place in range(len(events_of(wire))):
            fake.enqueue(with_fault(cut_at=place))
            if place > last_needed(wire):
                assert text_of(await collect(provider)) == TEXT
                continue
            events, error = await fail(provider)
            assert (error.kind, error.retryable) == ("cut", True)
            self._kept(events)

    async def test_broken_json(self, fake: FakeProvider, wire: str, connect: Connect) -> None:
        await self._each(fake, wire, connect, "garble_at", "malformed")

    async def test_a_huge_line(self, fake: FakeProvider, wire: str, connect: Connect) -> None:
        await self._each(fake, wire, connect, "huge_at", "malformed")

    @pytest.mark.parametrize(("code", "kind"), [("overloaded_error", "overloaded"), ("server_error", "server")])
    async def test_an_error_event(self, fake: FakeProvider, wire: str, connect: Connect, code: str, kind: Kind) -> None:
        await self._each(fake, wire, connect, "error_at", kind, error_code=code)

    async def test_a_stall(self, fake: FakeProvider, wire: str, connect: Connect) -> None:
        """Silence before the first token and silence behind it are two different limits."""
        provider = connect(wire, fake, timeouts=QUICK)
        numbers = range(0, last_needed(wire) + 1, 4)
        kinds = set()
        for place in numbers:
            fake.enqueue(with_fault(stall_at=place))
            began = time.monotonic()
            events, error = await fail(provider)
            assert time.monotonic() - began < QUICK.first_token + 1
            kinds.add(error.kind)
            self._kept(events)
            await asyncio.wait_for(fake.requests[-1].over.wait(), 2)
            assert fake.requests[-1].client_left
        assert kinds == {"first_token_timeout", "token_timeout"}

    async def _each(self, fake: FakeProvider, wire: str, connect: Connect, fault: str, kind: Kind, **more: Any) -> None:
        provider = connect(wire, fake)
        for place in range(len(events_of(wire)) - 1):
            fake.enqueue(with_fault(**{fault: place}, **more))
            events, error = await fail(provider)
            assert error.kind == kind, place
            self._kept(events)

    @staticmethod
    def _kept(events: list[ProviderEvent]) -> None:
        assert TEXT.startswith(text_of(events))
        assert not any(isinstance(event, Finished) for event in events)


@each_wire
async def test_cut_at_any_byte(fake: FakeProvider, wire: str, connect: Connect) -> None:
    events = events_of(wire)
    whole_at = sum(map(len, events[: last_needed(wire) + 1]))
    provider = connect(wire, fake)
    for place in range(1, whole_at, 61):
        fake.enqueue(with_fault(cut_at_byte=place))
        before, error = await fail(provider)
        assert error.kind == "cut"
        assert TEXT.startswith(text_of(before))


@each_wire
class TestTimeouts:
    @pytest.mark.parametrize(
        ("script", "kind"),
        [
            (Script(delay=5), "first_token_timeout"),
            (Script(first_token_delay=5), "first_token_timeout"),
            (Script(first_token_delay=5, pings=0.02), "first_token_timeout"),
            (Script(text=TEXT, stall_at=5), "token_timeout"),
            (Script(text=TEXT, stall_at=5, pings=0.02), "token_timeout"),
            (Script(text=TEXT * 20, pace=0.05), "response_timeout"),
        ],
    )
    async def test_kind(self, fake: FakeProvider, wire: str, connect: Connect, script: Script, kind: Kind) -> None:
        fake.enqueue(script)
        provider = connect(wire, fake, timeouts=QUICK)
        began = time.monotonic()
        _, error = await fail(provider)
        assert (error.kind, error.retryable) == (kind, True)
        assert time.monotonic() - began < QUICK.response + 1
        await asyncio.wait_for(fake.requests[-1].over.wait(), 2)
        assert fake.requests[-1].client_left

    async def test_a_slow_reader_is_not_the_provider_s_silence(
        self, fake: FakeProvider, wire: str, connect: Connect
    ) -> None:
        fake.enqueue(Script(text=TEXT, pace=0.01))
        provider = connect(wire, fake, timeouts=Timeouts(first_token=5, between_tokens=0.4, response=10))
        received = []
        async for event in provider.stream(ask()):
            received.append(event)
            await asyncio.sleep(0.6 if len(received) == 1 else 0)
        assert text_of(received) == TEXT

    async def test_a_server_that_does_not_accept(self, wire: str, connect: Connect) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            address = listener.getsockname()
            # The kernel answers for a few connections that nobody accepts, then for none.
            waiting = [socket.socket() for _ in range(4)]
            for filler in waiting:
                filler.setblocking(False)
                filler.connect_ex(address)
            provider = connect(wire, f"http://127.0.0.1:{address[1]}", timeouts=Timeouts(connect=0.2))
            _, error = await fail(provider)
            assert error.kind == "connect_timeout"
            for filler in waiting:
                filler.close()

    async def test_nobody_listens(self, wire: str, connect: Connect) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            provider = connect(wire, f"http://127.0.0.1:{closed.getsockname()[1]}")
            _, error = await fail(provider)
        assert (error.kind, error.retryable) == ("server", True)


@each_wire
class TestAnswersThatAreNone:
    @pytest.mark.parametrize("content_type", ["text/html", "application/json", "text/plain"])
    async def test_another_content_type(
        self, fake: FakeProvider, wire: str, connect: Connect, content_type: str
    ) -> None:
        fake.enqueue(Script(text=TEXT, content_type=content_type))
        provider = connect(wire, fake)
        events, error = await fail(provider)
        assert (events, error.kind) == ([], "malformed")

    async def test_a_redirect_is_not_followed(self, fake: FakeProvider, wire: str, connect: Connect) -> None:
        async with FakeProvider() as elsewhere:
            fake.enqueue(Script(redirect_to=f"{elsewhere.url}/v1/messages"))
            provider = connect(wire, fake)
            _, error = await fail(provider)
            assert (error.kind, error.retryable) == ("malformed", False)
            assert elsewhere.requests == []

    @pytest.mark.parametrize(
        "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000]
    )
    async def test_no_http(self, wire: str, connect: Connect, answer: bytes) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        provider = connect(wire, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        _, error = await fail(provider)
        assert error.kind in ("cut", "malformed")
        server.close()


REFUSALS: list[tuple[int, str, str, Kind, bool]] = [
    (400, "", "Unsupported parameter", "bad_request", False),
    (404, "", "The model does not exist", "bad_request", False),
    (422, "", "", "bad_request", False),
    (400, "context_length_exceeded", "", "context_too_long", False),
    (400, "", "This model's maximum context length is 8192 tokens.", "context_too_long", False),
    (400, "", "prompt is too long: 250000 tokens > 200000 maximum", "context_too_long", False),
    (400, "", "input length and `max_tokens` exceed context limit", "context_too_long", False),
    (400, "exceed_context_size_error", "", "context_too_long", False),
    (413, "", "", "context_too_long", False),
    (400, "content_filter", "", "refused", False),
    (400, "", "Output blocked by content filtering policy", "refused", False),
    (401, "", "", "bad_key", False),
    (403, "", "", "bad_key", False),
    (429, "", "", "rate_limited", True),
    (429, "insufficient_quota", "", "rate_limited", False),
    (402, "billing_error", "", "rate_limited", False),
    (503, "", "", "overloaded", True),
    (529, "", "", "overloaded", True),
    (500, "", "", "server", True),
    (502, "", "", "server", True),
    (504, "", "", "server", True),
]


@each_wire
@pytest.mark.parametrize(("status", "code", "message", "kind", "retryable"), REFUSALS)
async def test_refusals(
    fake: FakeProvider, wire: str, connect: Connect, status: int, code: str, message: str, kind: Kind, retryable: bool
) -> None:
    fake.enqueue(Script(status=status, error_code=code, error_message=message, headers={"retry-after": "7"}))
    provider = connect(wire, fake)
    _, error = await fail(provider)
    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.retry_after == (7 if kind in ("rate_limited", "overloaded", "server") else None)
    assert message not in str(error) or not message
    assert len(fake.requests) == 1, "a provider does not retry"


@pytest.mark.parametrize(
    ("headers", "delay"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "20"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "20"}, 20),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e300"}, MAX_RETRY_AFTER),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": formatdate(0, usegmt=True)}, 0),
    ],
)
def test_retry_after(headers: dict[str, str], delay: float | None) -> None:
    assert retry_after(headers) == delay


def test_retry_after_as_a_date() -> None:
    delay = retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert delay is not None
    assert 28 < delay <= 30


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'"x"', b"{", b"null", b'{"error":null}', b'{"error":"x"}', b'{"error":{"code":[]}}'],
)
def test_any_body_of_an_error_will_do(body: bytes) -> None:
    assert from_response("openai", 500, {}, body).kind == "server"
    assert from_response("openai", 418, {}, body).kind == "bad_request"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429, "message": "slow down"}, "rate_limited"),
        ({"code": 400, "message": "bad"}, "bad_request"),
        ({"code": 502, "message": "upstream"}, "server"),
        ({"type": "overloaded_error"}, "overloaded"),
        ({"type": "invalid_request_error", "message": "bad"}, "bad_request"),
        ({"type": "invalid_request_error", "message": "x.ContextWindowExceededError: y"}, "context_too_long"),
        ("out of memory", "server"),
        (17, "server"),
    ],
)
def test_error_objects_in_mid_stream(error: object, kind: Kind) -> None:
    assert from_error_object("compatible", error).kind == kind


def test_every_kind_has_its_words() -> None:
    assert set(MESSAGES) == set(get_args(Kind))


class TestKeys:
    @pytest.mark.parametrize("key", ["", "sk-a\n", "sk-a\r\nx-evil: 1", "sk a", "sk-ä", "sk\0", "x" * 5_000])
    def test_unusable_keys_are_refused_without_repeating_them(self, key: str) -> None:
        with pytest.raises(InvalidArgument) as caught:
            checked_key(key)
        assert not key or key not in str(caught.value)
        assert caught.value.violations[0].field == "api_key"

    @each_wire
    async def test_a_key_shows_nowhere(self, wire: str, connect: Connect) -> None:
        async with FakeProvider(key="another") as strict:
            provider = connect(wire, strict)
            with structlog.testing.capture_logs() as logs:
                _, error = await fail(provider)
                strict.enqueue(Script(redirect_to="http://127.0.0.1:1/"))
                _, redirected = await fail(provider)
            _, unreachable = await fail(connect(wire, "http://127.0.0.1:1"))
        shown = [repr(provider), repr(provider.__dict__), orjson.dumps(logs, default=repr).decode()]
        for failure in (error, redirected, unreachable):
            shown += [repr(failure), "".join(traceback.format_exception(failure)), str(failure.metadata)]
        assert error.kind == "bad_key"
        assert any(entry["status"] == 401 for entry in logs if "status" in entry)
        for text in shown:
            assert KEY not in text
            assert KEY[3:] not in text


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://host/v1", "host/v1", "http://", "http:///v1", "http://user:secret@host/v1", "http://host/v1?x=1",
        "http://host/v1#x", "http://ho st/v1", "http://host/\nv1", "http://[::1/v1", "http://host:99999/", "file:///etc",
    ],
)  # fmt: skip
def test_unusable_base_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        checked_base_url(url)
    assert caught.value.violations[0].field == "base_url"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434/v1", "https://[::1]:8080/v1/", "http://ollama/v1"])
def test_base_urls(url: str) -> None:
    assert checked_base_url(url) == url.rstrip("/")
