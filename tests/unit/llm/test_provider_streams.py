"""Answers of every HTTP provider over a real connection, and how calls end."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deskwire_server.llm.port import Finished, FinishReason, TextChunk, ToolCall, ToolCallStarted, Usage
from tests.support.fake_provider import FakeProvider, Script, ScriptedCall
from tests.support.fake_provider.providers import SEARCH, WIRES, Connect, ask, collect, finish_of, rested, text_of
from tests.support.fake_provider.wire import tokens

pytestmark = [pytest.mark.enable_socket, pytest.mark.parametrize("wire", WIRES)]

HANG_UP_SECONDS = 0.5
CALLS = (
    ScriptedCall("search", '{"query": "reset “password” \\u00e9\\n"}', id="call_a"),
    ScriptedCall("search", "{}", id="call_b"),
)


async def test_text_arrives_whole_and_in_order(fake: FakeProvider, wire: str, connect: Connect) -> None:
    text = "Open **Settings**,\n\nthen “Security” [1]. データ 🔑  two  spaces "
    fake.enqueue(Script(text=text, cached_tokens=3))
    events = await collect(provider := connect(wire, fake))
    assert text_of(events) == text
    finished = finish_of(events)
    assert finished.reason is FinishReason.STOP
    assert finished.model == provider.default_model
    assert finished.usage.cached_input_tokens == 3
    assert finished.usage.input_tokens > 3
    assert finished.usage.output_tokens == len(tokens(text))


async def test_paced_tokens_arrive_one_by_one(fake: FakeProvider, wire: str, connect: Connect) -> None:
    fake.enqueue(Script(text="one two three four", pace=0.05))
    provider = connect(wire, fake)
    pieces = [event.text async for event in provider.stream(ask()) if isinstance(event, TextChunk)]
    assert "".join(pieces) == "one two three four"
    assert len(pieces) >= 3


@pytest.mark.parametrize("chunk_bytes", [None, 1, 13])
async def test_tool_calls(fake: FakeProvider, wire: str, connect: Connect, chunk_bytes: int | None) -> None:
    fake.enqueue(Script(text="Let me look.", tool_calls=CALLS, chunk_bytes=chunk_bytes))
    events = await collect(connect(wire, fake), ask(tools=(SEARCH,)))
    assert text_of(events) == "Let me look."
    assert [event for event in events if isinstance(event, ToolCallStarted)] == [
        ToolCallStarted("call_a", "search"),
        ToolCallStarted("call_b", "search"),
    ]
    finished = finish_of(events)
    assert finished.reason is FinishReason.TOOL_CALLS
    assert finished.tool_calls == tuple(ToolCall(call.id, call.name, call.arguments) for call in CALLS)


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", FinishReason.LENGTH), ("refusal", FinishReason.CONTENT_FILTER)]
)
async def test_finish_reasons(
    fake: FakeProvider, wire: str, connect: Connect, finish: str, reason: FinishReason
) -> None:
    fake.enqueue(Script.of({"text": "So", "finish": finish}))
    events = await collect(connect(wire, fake))
    assert finish_of(events).reason is reason


@pytest.mark.parametrize("script", [Script(text="Yes.", terminal=False), Script(text="Yes.", usage=False)])
async def test_an_answer_is_whole_without_its_trimmings(
    fake: FakeProvider, wire: str, connect: Connect, script: Script
) -> None:
    fake.enqueue(script)
    events = await collect(connect(wire, fake))
    assert text_of(events) == "Yes."
    if not script.usage:
        assert finish_of(events).usage == Usage()


async def test_an_empty_answer_is_one(fake: FakeProvider, wire: str, connect: Connect) -> None:
    fake.enqueue(Script(text=""))
    events = await collect(connect(wire, fake))
    assert [type(event) for event in events] == [Finished]


async def test_a_connection_is_used_again(fake: FakeProvider, wire: str, connect: Connect) -> None:
    provider = connect(wire, fake)
    for _ in range(3):
        await collect(provider)
        await rested(provider)
    assert len({record.connection for record in fake.requests}) == 1


async def test_answers_at_the_same_time_do_not_mix(fake: FakeProvider, wire: str, connect: Connect) -> None:
    fake.standing = Script(pace=0.002)
    provider = connect(wire, fake)
    answers = await asyncio.gather(*(collect(provider, ask(f"question {number}")) for number in range(30)))
    for number, events in enumerate(answers):
        assert f"“question {number}”" in text_of(events)


async def test_proxies_of_the_environment_are_ignored(
    fake: FakeProvider, wire: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeProvider() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        provider = connect(wire, fake)
        await collect(provider)
        assert len(fake.requests) == 1
        assert proxy.requests == []


class TestHangingUp:
    async def test_closing_the_iterator_closes_the_connection(
        self, fake: FakeProvider, wire: str, connect: Connect
    ) -> None:
        fake.enqueue(Script(text="one two three", stall_at=5))
        provider = connect(wire, fake)
        events = provider.stream(ask())
        assert isinstance(await anext(events), TextChunk)
        await self._left(fake, events.aclose())

    async def test_cancelling_while_waiting_for_a_token(self, fake: FakeProvider, wire: str, connect: Connect) -> None:
        fake.enqueue(Script(text="one two three", stall_at=5))
        provider = connect(wire, fake)
        seen = asyncio.Event()

        async def read() -> None:
            async for _ in provider.stream(ask()):
                seen.set()

        await self._cancelled(fake, asyncio.create_task(read()), seen)

    @pytest.mark.parametrize("script", [Script(delay=30), Script(first_token_delay=30)])
    async def test_cancelling_before_the_first_token(
        self, fake: FakeProvider, wire: str, connect: Connect, script: Script
    ) -> None:
        fake.enqueue(script)
        provider = connect(wire, fake)
        task = asyncio.create_task(collect(provider))
        await self._cancelled(fake, task, fake.arrived)

    async def test_over_tls(
        self, fake: FakeProvider, wire: str, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server, client = tls_contexts(tmp_path)
        monkeypatch.setattr("deskwire_server.llm.wire.pool.trust", lambda: client)
        async with FakeProvider(tls=server) as secure:
            secure.enqueue(Script(), Script(text="one two three", stall_at=5))
            provider = connect(wire, secure)
            assert text_of(await collect(provider))
            events = provider.stream(ask())
            await anext(events)
            await self._left(secure, events.aclose())

    async def test_closing_the_provider_ends_its_calls(self, fake: FakeProvider, wire: str, connect: Connect) -> None:
        fake.enqueue(Script(text="one two three", stall_at=5))
        provider = connect(wire, fake)
        events = provider.stream(ask())
        await anext(events)
        await self._left(fake, provider.close())
        await events.aclose()

    async def test_nothing_is_left_running(self, fake: FakeProvider, wire: str, connect: Connect) -> None:
        fake.standing = Script(text="one two three", stall_at=5)
        provider = connect(wire, fake)
        before = len(asyncio.all_tasks())
        for _ in range(5):
            events = provider.stream(ask())
            await anext(events)
            await events.aclose()
        for record in fake.requests:
            await asyncio.wait_for(record.over.wait(), HANG_UP_SECONDS)
        await asyncio.sleep(0)
        # The fake serves in this loop too, with a task for each connection until it is closed.
        await fake.close()
        assert len(asyncio.all_tasks()) <= before

    async def _cancelled(self, fake: FakeProvider, task: asyncio.Task[object], when: asyncio.Event) -> None:
        async with asyncio.timeout(5):
            await when.wait()
        task.cancel()
        await self._left(fake, asyncio.wait([task]))
        assert task.cancelled()

    @staticmethod
    async def _left(fake: FakeProvider, closing: object) -> None:
        began = time.monotonic()
        await closing  # type: ignore[misc]
        record = fake.requests[-1]
        await asyncio.wait_for(record.over.wait(), HANG_UP_SECONDS)
        assert record.client_left
        assert record.ended is not None
        assert record.ended - began < HANG_UP_SECONDS


def tls_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server with a certificate of its own for 127.0.0.1, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fake provider")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain, secret)
    return server, ssl.create_default_context(cafile=str(chain))
