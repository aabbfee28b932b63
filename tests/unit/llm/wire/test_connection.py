"""Reading one answer: whatever its framing and wherever it is cut, strictly, and within bounds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator

import pytest

from deskwire_server.llm.wire.connection import BrokenConnectionError, Connection, ForeignAnswerError
from deskwire_server.llm.wire.ticker import Ticker
from tests.support.waiting import until

pytestmark = pytest.mark.enable_socket

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\ncontent-type: text/event-stream\r\n\r\n"
ANSWERS = {
    "length": (OK + b"content-length: 7\r\n\r\nab\r\ncde", True),
    "nothing": (OK + b"content-length: 0\r\n\r\n", True),
    "chunked": (CHUNKED + b"2\r\nab\r\n5\r\n\r\ncde\r\n0\r\n\r\n", True),
    "zeros": (CHUNKED + b"0000002\r\nab\r\n5\r\n\r\ncde\r\n000\r\n\r\n", True),
    "extensions": (CHUNKED + b'2;a=b;c="d;e"\r\nab\r\n5\r\n\r\ncde\r\n0;x\r\n\r\n', True),
    "trailers": (CHUNKED + b"7\r\nab\r\ncde\r\n0\r\nx-sum: 1\r\ncontent-type: no\r\n\r\n", True),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + CHUNKED + b"0\r\n\r\n", True),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nab", True),
    "close": (OK + b"connection: close\r\ncontent-length: 2\r\n\r\nab", False),
    "version 1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nab", False),
    "upgrade offered": (OK + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nab", True),
}
BODIES = {"length": b"ab\r\ncde", "zeros": b"ab\r\ncde", "nothing": b"", "interim": b""}
BODIES |= dict.fromkeys(("chunked", "extensions", "trailers"), b"ab\r\ncde")
FOREIGN = {
    "text": b"nonsense\r\n\r\n",
    "request": b"GET / HTTP/1.1\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "two framings": OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "two lengths": OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "signed length": OK + b"content-length: +3\r\n\r\nabc",
    "endless length": OK + b"content-length: 99999999999999999999999\r\n\r\n",
    "folded field": OK + b"x: a\r\n b\r\n\r\n",
    "blank before the colon": OK + b"content-length : 3\r\n\r\nabc",
    "bare carriage return": OK + b"x: a\rb\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 3\n\nabc",
    "a NUL": OK + b"x: a\0b\r\n\r\n",
    "chunk of letters": CHUNKED + b"zz\r\nab\r\n",
    "chunk with 0x": CHUNKED + b"0x2\r\nab\r\n",
    "negative chunk": CHUNKED + b"-2\r\nab\r\n",
    "endless chunk": CHUNKED + b"fffffffffffffffff\r\nab",
    "chunk without its end": CHUNKED + b"2\r\nabX\r\n",
}


@pytest.fixture
async def pair() -> AsyncGenerator[tuple[Connection, socket.socket]]:
    """A connection with a request on its way, and the other end."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(loop, lambda _: None), sock=near)
    connection.send(REQUEST)
    yield connection, far
    connection.abort()
    await until(lambda: connection._parser is None)
    far.close()


async def body_of(connection: Connection) -> bytes:
    """The whole body."""
    body = b""
    while piece := await connection.read():
        body += piece
    return body


@pytest.mark.parametrize("name", ANSWERS)
async def test_answers_cut_at_every_byte(pair: tuple[Connection, socket.socket], name: str) -> None:
    connection, _ = pair
    answer, reusable = ANSWERS[name]
    for place in range(len(answer) + 1):
        if place:
            connection._parser = type(connection._parser)(connection)  # type: ignore[misc]
            connection.send(b"")
        for piece in (answer[:place], answer[place:]):
            if piece:
                connection.data_received(piece)
        await connection.answered()
        assert connection.status == 200
        assert await body_of(connection) == BODIES.get(name, b"ab")
        assert connection.headers.get("content-type") in (None, "text/event-stream")
        assert connection.reusable is reusable


async def test_a_connection_that_was_closed_before_the_request(pair: tuple[Connection, socket.socket]) -> None:
    connection, far = pair
    far.close()
    await until(lambda: connection.closed)
    connection.send(REQUEST)
    with pytest.raises(BrokenConnectionError):
        await asyncio.wait_for(connection.answered(), 1)
    assert not connection.heard


async def test_a_body_until_the_connection_ends(pair: tuple[Connection, socket.socket]) -> None:
    connection, far = pair
    far.send(OK + b"\r\nab")
    await connection.answered()
    assert await connection.read() == b"ab"
    far.send(b"cd")
    far.shutdown(socket.SHUT_WR)
    assert await body_of(connection) == b"cd"
    assert not connection.reusable


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("size", [1, 1000])
async def test_what_is_no_answer(pair: tuple[Connection, socket.socket], name: str, size: int) -> None:
    connection, far = pair
    for start in range(0, len(FOREIGN[name]), size):
        far.send(FOREIGN[name][start : start + size])
        await asyncio.sleep(0)
    with pytest.raises(ForeignAnswerError):
        await read_all(connection)
    assert not connection.reusable


async def read_all(connection: Connection, pieces: list[bytes] | None = None) -> None:
    """The head, and the body into `pieces`."""
    await connection.answered()
    while piece := await connection.read():
        if pieces is not None:
            pieces.append(piece)


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (OK + b"x: ", b"y" * 1000),
        (OK, b"x: y\r\n" * 100),
        (OK, b"x" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40),
        (b"HTTP/1.1 200 ", b"O" * 1000),
        (CHUNKED + b"1;", b"x" * 1000),
        (CHUNKED + b"0\r\nx: ", b"y" * 1000),
        (CHUNKED, b"0" * 1000),
    ],
)
async def test_what_has_no_end_is_given_up(pair: tuple[Connection, socket.socket], begin: bytes, more: bytes) -> None:
    connection, _ = pair
    if begin:
        connection.data_received(begin)
    sent = 0
    while connection._error is None and sent < 1_000_000:
        connection.data_received(more)
        sent += len(more)
    assert sent < 100_000
    with pytest.raises(ForeignAnswerError):
        await read_all(connection)


async def test_a_head_may_be_long_but_not_at_once_either(pair: tuple[Connection, socket.socket]) -> None:
    connection, _ = pair
    connection.data_received(OK + b"x: " + b"y" * 100_000 + b"\r\ncontent-length: 0\r\n\r\n")
    with pytest.raises(ForeignAnswerError, match="bounds"):
        await connection.answered()


async def test_a_reader_that_waits_makes_the_server_wait(pair: tuple[Connection, socket.socket]) -> None:
    connection, far = pair
    loop = asyncio.get_running_loop()
    size = 8_000_000
    sending = asyncio.create_task(loop.sock_sendall(far, OK + b"content-length: %d\r\n\r\n" % size + b"x" * size))
    await connection.answered()
    await until(lambda: connection._paused)
    held = sum(map(len, connection._parts))
    assert held < 1_500_000
    assert not sending.done()
    assert len(await body_of(connection)) == size
    await sending


@pytest.mark.parametrize("end", ["shutdown", "reset"])
async def test_an_end_at_every_byte(pair: tuple[Connection, socket.socket], end: str) -> None:
    """Of the network's doing: what came before it is given out, then it is told."""
    connection, _ = pair
    answer, _ = ANSWERS["chunked"]
    error = None if end == "shutdown" else ConnectionResetError()
    for place in range(len(answer)):
        broken = Connection(asyncio.get_running_loop(), lambda _: None)
        assert connection._transport is not None
        broken._transport = connection._transport
        broken.send(b"")
        broken.data_received(answer[:place])
        broken.connection_lost(error)
        pieces: list[bytes] = []
        with pytest.raises(BrokenConnectionError):
            await read_all(broken, pieces)
        assert b"ab\r\ncde".startswith(b"".join(pieces))
        assert not broken.reusable


@pytest.mark.parametrize("behind", [b"x", b"\r\n\r\n", OK + b"content-length: 3\r\n\r\nxyz"])
async def test_what_comes_behind_an_answer_is_no_part_of_it(
    pair: tuple[Connection, socket.socket], behind: bytes
) -> None:
    connection, _ = pair
    connection.data_received(OK + b"content-length: 2\r\n\r\nab" + behind)
    await connection.answered()
    assert await body_of(connection) == b"ab"
    connection.idle()
    if behind.strip():
        assert not connection.reusable
    else:
        # llhttp passes over empty lines.
        connection.data_received(b"\r\n")
    assert connection.closed or not connection.reusable


class TestRest:
    async def test_text_that_comes_meanwhile_waits_for_the_tick(self, pair: tuple[Connection, socket.socket]) -> None:
        connection, far = pair
        loop = asyncio.get_running_loop()
        far.send(CHUNKED + b"1\r\na\r\n")
        await connection.answered()
        assert await connection.read() == b"a"
        tick = Ticker(loop, 0.1).rest(connection)
        assert 0.05 < tick - loop.time() < 0.2
        for letter in (b"b", b"c"):
            far.send(b"1\r\n" + letter + b"\r\n")
        assert await connection.read() == b"bc"
        assert loop.time() >= tick - 0.01

    async def test_text_that_comes_behind_the_tick(self, pair: tuple[Connection, socket.socket]) -> None:
        connection, far = pair
        far.send(CHUNKED + b"1\r\na\r\n")
        await connection.answered()
        for letter in (b"a", b"b", b"c"):
            assert await connection.read() == letter
            connection.rest()
            connection.rouse()
            reading = asyncio.create_task(connection.read())
            await asyncio.sleep(0.01)
            assert not reading.done()
            far.send(b"1\r\n" + bytes([letter[0] + 1]) + b"\r\n")
            assert await asyncio.wait_for(reading, 1) == bytes([letter[0] + 1])
            connection.rest()
            far.send(b"1\r\n" + bytes([letter[0] + 1]) + b"\r\n")
            connection.rouse()

    @pytest.mark.parametrize("last", [b"", b"1\r\nb\r\n"])
    async def test_the_connection_ends_meanwhile(self, pair: tuple[Connection, socket.socket], last: bytes) -> None:
        connection, far = pair
        far.send(CHUNKED + b"1\r\na\r\n")
        await connection.answered()
        await connection.read()
        Ticker(asyncio.get_running_loop(), 0.02).rest(connection)
        if last:
            far.send(last)
        far.shutdown(socket.SHUT_WR)
        pieces: list[bytes] = []
        with pytest.raises(BrokenConnectionError):
            await asyncio.wait_for(read_all(connection, pieces), 1)
        assert pieces == ([b"b"] if last else [])

    async def test_more_than_is_taken_at_once(self, pair: tuple[Connection, socket.socket]) -> None:
        connection, far = pair
        body = b"x" * 150_000
        far.send(OK + b"content-length: 150000\r\n\r\n" + body[:1])
        await connection.answered()
        assert await connection.read() == b"x"
        connection.rest()
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(far, body[1:]))
        await asyncio.sleep(0)
        connection.rouse()
        assert len(await body_of(connection)) == len(body) - 1
        await sending

    async def test_a_limit_ends_it(self, pair: tuple[Connection, socket.socket]) -> None:
        connection, far = pair
        far.send(CHUNKED + b"1\r\na\r\n")
        await connection.answered()
        await connection.read()
        Ticker(asyncio.get_running_loop(), 30).rest(connection)
        reading = asyncio.create_task(connection.read())
        await asyncio.sleep(0)
        connection.fail(TimeoutError("too long"))
        with pytest.raises(TimeoutError, match="too long"):
            await asyncio.wait_for(reading, 1)

    async def test_an_answer_that_has_ended_does_not_rest(self, pair: tuple[Connection, socket.socket]) -> None:
        connection, far = pair
        far.send(OK + b"content-length: 2\r\n\r\nab")
        await connection.answered()
        await until(lambda: connection.complete)
        Ticker(asyncio.get_running_loop(), 30).rest(connection)
        assert await asyncio.wait_for(body_of(connection), 1) == b"ab"
