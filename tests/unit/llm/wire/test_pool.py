"""Which connections are used again, which are not, and that none is kept for longer than it is good for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from deskwire_server.llm.wire.connection import BrokenConnectionError, Connection
from deskwire_server.llm.wire.pool import Origin, Pool
from tests.support.raw_server import Peer, RawServer
from tests.support.waiting import until

pytestmark = pytest.mark.enable_socket

Serve = Callable[[Callable[[Peer], Awaitable[None]]], Awaitable[RawServer]]
REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def pool_for(server: RawServer) -> Pool:
    return Pool(Origin("127.0.0.1", server.port, secure=False))


async def exchange(pool: Pool) -> bytes:
    """One answer, on a kept connection or a new one."""
    connection = pool.take() or await pool.connect()
    connection.send(REQUEST)
    await connection.answered()
    body = b""
    while piece := await connection.read():
        body += piece
    pool.release(connection)
    return body


def answering(*answers: bytes) -> Callable[[Peer], Awaitable[None]]:
    """Says `answers`, one to each request of a connection, the last one again and again."""

    async def talk(peer: Peer) -> None:
        for number in range(1_000):
            await peer.request()
            await peer.say(answers[min(number, len(answers) - 1)])

    return talk


async def test_one_connection_serves_many_requests(serve: Serve) -> None:
    server = await serve(answering(ANSWER))
    pool = pool_for(server)
    assert [await exchange(pool) for _ in range(5)] == [b"ok"] * 5
    assert len(server.peers) == 1
    assert pool.idle == 1
    pool.close()
    await until(lambda: server.peers[0].left.is_set())


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n"),
        ANSWER.replace(b"1.1", b"1.0"),
        ANSWER + b"more",
        ANSWER + ANSWER,
    ],
)
async def test_connections_that_are_not_used_again(serve: Serve, answer: bytes) -> None:
    server = await serve(answering(answer))
    pool = pool_for(server)
    assert [await exchange(pool) for _ in range(2)] == [b"ok"] * 2
    assert len(server.peers) == 2
    assert pool.idle == 0
    await until(lambda: all(peer.left.is_set() for peer in server.peers))


async def test_requests_at_the_same_time_have_connections_of_their_own(serve: Serve) -> None:
    server = await serve(answering(ANSWER))
    pool = pool_for(server)
    await asyncio.gather(*(exchange(pool) for _ in range(5)))
    assert len(server.peers) == 5
    await asyncio.gather(*(exchange(pool) for _ in range(5)))
    assert len(server.peers) == 5
    pool.close()


@pytest.mark.parametrize("way", ["hang_up", "reset"])
async def test_a_connection_that_the_server_closes_while_it_rests(serve: Serve, way: str) -> None:
    server = await serve(answering(ANSWER))
    pool = pool_for(server)
    await exchange(pool)
    getattr(server.peers[0], way)()
    await until(lambda: not pool._open)
    assert await exchange(pool) == b"ok"
    assert len(server.peers) == 2
    pool.close()


async def test_a_server_that_speaks_unasked(serve: Serve) -> None:
    server = await serve(answering(ANSWER))
    pool = pool_for(server)
    await exchange(pool)
    await server.peers[0].say(ANSWER)
    await until(lambda: not pool._open)
    assert await exchange(pool) == b"ok"
    assert len(server.peers) == 2
    pool.close()


@pytest.mark.parametrize("farewell", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
async def test_what_the_kernel_knows_before_the_loop(farewell: bytes) -> None:
    """A look at the socket itself finds the end of a connection that nobody has told of yet."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    near.setblocking(False)
    _, connection = await loop.create_connection(lambda: Connection(loop, lambda _: None), sock=near)
    assert connection.healthy()
    far.sendall(farewell)
    far.close()
    assert not connection.healthy()
    connection.abort()
    await until(lambda: connection._parser is None)


async def test_an_answer_that_ends_a_little_late(serve: Serve) -> None:
    gate = asyncio.Event()

    async def talk(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
            await gate.wait()
            await peer.say(b"3\r\n...\r\n0\r\n\r\n")

    server = await serve(talk)
    pool = pool_for(server)
    for _ in range(2):
        gate.clear()
        connection = pool.take() or await pool.connect()
        connection.send(REQUEST)
        await connection.answered()
        assert await connection.read() == b"ok"
        pool.release(connection)
        assert pool.idle == 0
        gate.set()
        await until(lambda: pool.idle == 1)
    assert len(server.peers) == 1
    pool.close()


async def test_an_answer_that_does_not_end(serve: Serve) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
        await peer.gone()

    server = await serve(talk)
    pool = pool_for(server)
    connection = await pool.connect()
    connection.send(REQUEST)
    await connection.answered()
    pool.release(connection)
    await asyncio.wait_for(server.peers[0].left.wait(), 1)
    assert pool.idle == 0


async def test_nothing_rests_for_longer_than_the_server_says(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await serve(answering(ANSWER.replace(b"OK\r\n", b"OK\r\nKeep-Alive: timeout=5, max=9\r\n"), ANSWER))
    pool = pool_for(server)
    loop = asyncio.get_running_loop()
    await exchange(pool)
    assert 3 < pool._idle[0].idle_until - loop.time() <= 4
    await exchange(pool)
    assert 10 < pool._idle[0].idle_until - loop.time() <= 15
    pool._idle[0].idle_until = loop.time() - 1
    assert pool.take() is None
    await until(lambda: server.peers[0].left.is_set())
    pool.close()


async def test_what_has_rested_enough_is_closed_unasked(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deskwire_server.llm.wire.connection._DEFAULT_IDLE", 0.05)
    server = await serve(answering(ANSWER))
    pool = pool_for(server)
    await asyncio.gather(*(exchange(pool) for _ in range(3)))
    await until(lambda: all(peer.left.is_set() for peer in server.peers))
    await until(lambda: pool.idle == 0)
    pool.close()


async def test_closing_ends_what_is_under_way(serve: Serve) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    server = await serve(talk)
    pool = pool_for(server)
    connection = await pool.connect()
    connection.send(REQUEST)
    waiting = asyncio.create_task(connection.answered())
    await until(lambda: server.peers)
    pool.close()
    with pytest.raises(BrokenConnectionError):
        await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(server.peers[0].left.wait(), 1)


async def test_a_name_with_an_address_that_leads_nowhere(serve: Serve) -> None:
    server = await serve(answering(ANSWER))
    pool = pool_for(server)
    dead: Any = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", server.port))
    alive: Any = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
    pool._addresses, pool._addresses_until = [dead, alive], float("inf")
    assert await exchange(pool) == b"ok"
    pool._addresses = [dead]
    pool.close()
    with pytest.raises(OSError, match=r"."):
        await pool.connect()


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("http://ollama:11434/v1", Origin("ollama", 11434, secure=False), "ollama:11434"),
        ("https://api.example.com/v1", Origin("api.example.com", 443, secure=True), "api.example.com"),
        ("https://api.example.com:443", Origin("api.example.com", 443, secure=True), "api.example.com"),
        ("http://api.example.com:443", Origin("api.example.com", 443, secure=False), "api.example.com:443"),
        ("http://[::1]:8080/v1", Origin("::1", 8080, secure=False), "[::1]:8080"),
        ("http://[::1]/v1", Origin("::1", 80, secure=False), "[::1]"),
    ],
)
def test_origins(url: str, origin: Origin, authority: str) -> None:
    assert Origin.of(url) == origin
    assert origin.authority == authority
