"""One call: what it sends, how it fails, and that TLS is what it should be."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from deskwire_server.llm.endpoint import Endpoint
from deskwire_server.llm.http import StreamClient, Timeouts
from deskwire_server.llm.port import ProviderError
from deskwire_server.llm.wire import pool
from tests.support.certificates import Authority
from tests.support.raw_server import Peer, RawServer
from tests.support.waiting import until

pytestmark = pytest.mark.enable_socket

Serve = Callable[[Callable[[Peer], Awaitable[None]]], Awaitable[RawServer]]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"


def client_for(url: str, timeouts: Timeouts | None = None) -> StreamClient:
    return StreamClient(Endpoint("openai", url, {"authorization": "Bearer k"}), "/chat", timeouts or Timeouts())


async def failed(client: StreamClient) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await client.post(b"{}")
    await client.close()
    return caught.value


async def test_the_request(serve: Serve) -> None:
    requests: list[tuple[str, bytes]] = []

    async def talk(peer: Peer) -> None:
        while True:
            requests.append(await peer.request())
            await peer.say(HEAD + b"1\r\nx\r\n0\r\n\r\n")

    server = await serve(talk)
    client = client_for(f"http://127.0.0.1:{server.port}/v1")
    for body in (b'{"a":1}', "“ä”".encode()):
        call = await client.post(body)
        assert await call.read() == b"x"
        call.end(whole=True)
        await until(lambda: client.idle)
    await client.close()
    assert [body for _, body in requests] == [b'{"a":1}', "“ä”".encode()]
    assert requests[0][0].split("\r\n") == [
        "POST /v1/chat HTTP/1.1",
        f"host: 127.0.0.1:{server.port}",
        "user-agent: deskwire",
        "content-type: application/json",
        "accept: text/event-stream",
        "accept-encoding: identity",
        "authorization: Bearer k",
        "content-length: 7",
        "",
        "",
    ]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", HEAD[:-2]])
async def test_a_request_on_a_kept_connection_is_not_sent_twice(serve: Serve, answer: bytes) -> None:
    """The server had it, and may have begun to work."""
    count = 0

    async def talk(peer: Peer) -> None:
        nonlocal count
        await peer.request()
        count += 1
        await peer.say(HEAD + b"0\r\n\r\n")
        await peer.request()
        count += 1
        await peer.say(answer)
        peer.hang_up()

    server = await serve(talk)
    client = client_for(f"http://127.0.0.1:{server.port}")
    call = await client.post(b"{}")
    assert await call.read() == b""
    call.end(whole=True)
    error = await failed(client)
    assert (error.kind, error.reached) == ("cut", True if answer else None)
    assert count == 2


async def test_a_stalled_answer_is_left_at_once_when_it_is_cancelled(serve: Serve) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    server = await serve(talk)
    client = client_for(f"http://127.0.0.1:{server.port}")
    calling = asyncio.create_task(client.post(b"{}"))
    await until(lambda: server.peers)
    began = time.monotonic()
    calling.cancel()
    await asyncio.wait_for(server.peers[0].left.wait(), 0.5)
    assert time.monotonic() - began < 0.5
    with pytest.raises(asyncio.CancelledError):
        await calling
    await client.close()


async def test_a_refusal_is_read_in_part_only(serve: Serve) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 503 Busy\r\ncontent-length: 90000000\r\nretry-after: 3\r\n\r\n")
        while not peer.left.is_set():
            await peer.say(b"x" * 65_536)

    server = await serve(talk)
    error = await failed(client_for(f"http://127.0.0.1:{server.port}"))
    assert (error.kind, error.retry_after, error.reached) == ("overloaded", 3, True)


async def test_a_refusal_whose_body_stalls(serve: Serve) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 401 No\r\ncontent-length: 9\r\n\r\n{")
        await peer.gone()

    server = await serve(talk)
    error = await failed(client_for(f"http://127.0.0.1:{server.port}", Timeouts(first_token=0.2)))
    assert error.kind == "bad_key"


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(_: pool.Pool) -> list[object]:
        raise OSError("no such name")

    monkeypatch.setattr(pool.Pool, "_resolved", unknown)
    error = await failed(client_for("http://nowhere.invalid"))
    assert (error.kind, error.reached) == ("server", False)


@pytest.mark.parametrize("url", ["http://a..b", "http://" + "a" * 70 + ".b"])
async def test_a_name_that_is_none(url: str) -> None:
    error = await failed(client_for(url))
    assert (error.kind, error.reached) == ("server", False)


async def test_the_limit_of_the_first_token_holds_while_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stuck(_: pool.Pool) -> list[object]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(pool.Pool, "_resolved", stuck)
    error = await failed(client_for("http://127.0.0.1", Timeouts(connect=9, first_token=0.1)))
    assert (error.kind, error.reached) == ("first_token_timeout", False)
    error = await failed(client_for("http://127.0.0.1", Timeouts(connect=0.1, first_token=9)))
    assert (error.kind, error.reached) == ("connect_timeout", False)


class TestTLS:
    @pytest.fixture
    def authority(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
        """One that the machine trusts, for the time of the test."""
        made = Authority(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
        pool.trust.cache_clear()
        yield made
        pool.trust.cache_clear()

    async def ask(self, authority: Authority, host: str) -> tuple[str, str | None]:
        """The body of an answer over TLS, and the protocol that was agreed on."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        pair = authority.issue("server")
        context.load_cert_chain(pair.certificate, pair.key)
        context.set_alpn_protocols(["h2", "http/1.1"])
        agreed = []

        async def talk(peer: Peer) -> None:
            agreed.append(peer._writer.get_extra_info("ssl_object").selected_alpn_protocol())
            while True:
                await peer.request()
                await peer.say(HEAD, b"2\r\nok\r\n", b"0\r\n\r\n")

        server = RawServer(talk)
        await server.start(tls=context)
        client = client_for(f"https://{host}:{server.port}")
        try:
            for _ in range(2):
                call = await client.post(b"{}")
                body = await call.read()
                call.end(whole=True)
                await until(lambda: client.idle)
            assert len(server.peers) == 1
            return body.decode(), agreed[0]
        finally:
            await client.close()
            await server.close()

    async def test_text_waits_for_the_tick_over_tls_too(self, authority: Authority) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        pair = authority.issue("server")
        context.load_cert_chain(pair.certificate, pair.key)
        gate = asyncio.Event()

        async def talk(peer: Peer) -> None:
            await peer.request()
            await peer.say(HEAD + b"1\r\na\r\n")
            await gate.wait()
            await peer.say(b"1\r\nb\r\n", b"1\r\nc\r\n", b"0\r\n\r\n")

        server = RawServer(talk)
        await server.start(tls=context)
        client = client_for(f"https://127.0.0.1:{server.port}", Timeouts(pause=0.1))
        call = await client.post(b"{}")
        pieces = [await call.read()]
        gate.set()
        while pieces[-1]:
            call.rest()
            pieces.append(await call.read())
        assert b"".join(pieces) == b"abc"
        assert len(pieces) <= 4
        call.end(whole=True)
        await client.close()
        await server.close()

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_a_server_that_is_trusted(self, authority: Authority, host: str) -> None:
        assert await self.ask(authority, host) == ("ok", "http/1.1")

    async def test_a_certificate_for_another_name(self, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
        resolved = pool.Pool._resolved

        async def at_home(made: pool.Pool) -> list[object]:
            found = pool.Origin("127.0.0.1", made._origin.port, secure=True)
            return list(await resolved(pool.Pool(found)))

        monkeypatch.setattr(pool.Pool, "_resolved", at_home)
        with pytest.raises(ProviderError) as caught:
            await self.ask(authority, "api.example.com")
        assert (caught.value.kind, caught.value.reached) == ("server", False)

    async def test_a_certificate_of_nobody_that_is_known(self, authority: Authority, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        with pytest.raises(ProviderError) as caught:
            await self.ask(Authority(tmp_path / "other"), "127.0.0.1")
        assert (caught.value.kind, caught.value.reached) == ("server", False)

    async def test_a_server_without_tls(self, authority: Authority, serve: Serve) -> None:
        async def talk(peer: Peer) -> None:
            await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await peer.gone()

        server = await serve(talk)
        error = await failed(client_for(f"https://127.0.0.1:{server.port}"))
        assert (error.kind, error.reached) == ("server", False)
