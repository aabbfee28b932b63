"""The local embedder's client against its real process, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.local import LocalEmbedder
from deskwire_server.embeddings.wire import frame, read_frame

pytestmark = pytest.mark.enable_socket


@asynccontextmanager
async def _process(socket: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deskwire_server.embeddings.process", "--socket", str(socket), "--die-with-parent",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def _server(socket: Path, answer: Callable[[dict[str, object]], bytes | None]) -> AsyncIterator[None]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = await read_frame(reader)
        reply = answer(received[0]) if received is not None else None
        if reply is not None:
            writer.write(reply)
            await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(serve, socket)
    try:
        yield
    finally:
        server.close()


async def test_embeds_and_stops_cleanly(tmp_path: Path) -> None:
    socket = tmp_path / "e.sock"
    async with _process(socket) as process:
        embedder = LocalEmbedder(socket)
        await embedder.ping()
        one, many = await asyncio.gather(
            embedder.embed(["a question"], purpose="query"),
            embedder.embed([f"document {index}" for index in range(20)], purpose="document"),
        )
        assert one.shape == (1, 384)
        np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, atol=1e-5)
        assert socket.stat().st_mode & 0o077 == 0
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert not socket.exists()
        with pytest.raises(EmbedderUnavailable):
            await embedder.embed(["a question"], purpose="query")
        await embedder.close()


async def test_connects_again_after_a_restart(tmp_path: Path) -> None:
    socket = tmp_path / "e.sock"
    embedder = LocalEmbedder(socket)
    async with _process(socket):
        await embedder.ping()
    with pytest.raises(EmbedderUnavailable):
        await embedder.ping()
    async with _process(socket):
        assert (await embedder.embed(["again"], purpose="query")).shape == (1, 384)
    await embedder.close()


async def test_nobody_there(tmp_path: Path) -> None:
    embedder = LocalEmbedder(tmp_path / "none.sock")
    with pytest.raises(EmbedderUnavailable, match="not reachable"):
        await embedder.embed(["x"], purpose="query")
    await embedder.close()


async def test_silence_times_out(tmp_path: Path) -> None:
    socket = tmp_path / "e.sock"
    async with _server(socket, lambda _: b""):
        embedder = LocalEmbedder(socket, query_timeout=0.05)
        with pytest.raises(EmbedderUnavailable, match="did not answer"):
            await embedder.embed(["x"], purpose="query")
        await embedder.close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda header: frame({"id": header["id"], "rows": 1}, b"short"),
        lambda header: frame({"id": header["id"], "rows": 2}, bytes(2 * 384 * 4)),
        lambda header: frame({"id": header["id"], "error": "overloaded"}),
        lambda header: b"\xff" * 64,
        lambda header: None,
    ],
    ids=["short body", "wrong count", "refused", "garbage", "closed"],
)
async def test_bad_answers(tmp_path: Path, answer: Callable[[dict[str, object]], bytes | None]) -> None:
    socket = tmp_path / "e.sock"
    async with _server(socket, answer):
        embedder = LocalEmbedder(socket, query_timeout=5)
        with pytest.raises(EmbedderUnavailable):
            await embedder.embed(["x"], purpose="query")
        await embedder.close()


async def test_the_process_refuses_bad_requests_and_lives(tmp_path: Path) -> None:
    socket = tmp_path / "e.sock"

    async def ask(payload: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(socket)
        writer.write(payload)
        await writer.drain()
        writer.write_eof()
        data = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return data

    async with _process(socket):
        checks: list[Awaitable[bytes]] = [ask(b"\xff" * 100), ask(b"\0\0\0\x05\0\0\0\0abcde"), ask(b"\0\0")]
        assert await asyncio.gather(*checks) == [b"", b"", b""]
        embedder = LocalEmbedder(socket)
        for bad in (
            {"op": "embed", "texts": [1]},
            {"op": "embed", "texts": "x"},
            {"op": "embed", "texts": ["x"], "purpose": "q"},
        ):
            with pytest.raises(EmbedderUnavailable, match="bad request"):
                await embedder._call(bad, 5)
        await embedder.ping()
        await embedder.close()


async def test_compares_the_words_of_a_question(tmp_path: Path) -> None:
    socket = tmp_path / "e.sock"
    async with _process(socket):
        embedder = LocalEmbedder(socket)
        texts = ["You find every invoice under Billing.", "Dogs bark."]
        match = await embedder.match("Where is my invoice?", texts)
        vectors = await embedder.embed(["Where is my invoice?", *texts], purpose="query")
        with pytest.raises(EmbedderUnavailable):
            await embedder._call({"op": "match", "texts": texts}, 5.0)
        await embedder.close()
    assert match.words[3] == "invoice"
    assert match.likeness.shape == (len(match.words), 2)
    assert match.likeness[3, 0] > match.likeness[3, 1]
    assert np.allclose(np.stack([match.question, *match.texts]), vectors, atol=1e-4)
