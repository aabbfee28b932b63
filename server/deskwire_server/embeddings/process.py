"""The local embedder's process: one a machine, serving all workers over a Unix socket.

Run as `python -m deskwire_server.embeddings.process --socket PATH`. Prints `ready` once it answers.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deskwire_server.embeddings.batcher import Batcher

_PR_SET_PDEATHSIG = 1
_MAX_TEXTS = 20_000


def main() -> int:
    """Parse the command line and serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="deskwire-embedder", description="Serve sentence embeddings on a socket.")
    parser.add_argument("--socket", type=Path, required=True, help="path of the socket to listen on")
    parser.add_argument("--threads", type=int, default=1, help="threads of one matrix product")
    parser.add_argument("--die-with-parent", action="store_true", help="stop when the starting process ends")
    parser.add_argument("--nice", type=int, default=0, help="by how much others go ahead of it on the processors")
    options = parser.parse_args()
    os.nice(options.nice)
    if options.die_with_parent and not _follow_parent():
        return 0
    # Read when numpy loads its library, so before that import.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(options.threads)
    from deskwire_server.embeddings.minilm import MiniLM, ModelMissingError

    try:
        model = MiniLM.load()
    except ModelMissingError as error:
        _say(f"the local embedder can't start: {error}")
        return 3
    model.embed(["warm up"])
    from deskwire_server.embeddings.batcher import Batcher

    asyncio.run(_serve(Batcher(model), options.socket))
    return 0


def _say(line: str) -> None:
    """To the log of whoever started this process."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _follow_parent() -> bool:
    """End when the parent ends, kill -9 included. False when it is gone already."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent


async def _serve(batcher: Batcher, path: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    worker = asyncio.create_task(batcher.run())
    connections: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        connections[task] = writer
        try:
            await _Connection(batcher, writer).run(reader)
        finally:
            del connections[task]

    await asyncio.to_thread(_make_way, path)
    previous = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(connected, path)
    finally:
        os.umask(previous)
    inode = await asyncio.to_thread(_inode, path)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()
    worker.cancel()
    # Closing a transport ends its reader, so that each connection leaves by its usual way.
    for writer in connections.values():
        writer.close()
    await asyncio.gather(worker, *(task for task in connections if task is not None), return_exceptions=True)
    await asyncio.to_thread(_leave, path, inode)


def _make_way(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        path.unlink()


def _inode(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


def _leave(path: Path, inode: int | None) -> None:
    # Another embedder may have taken the path over in the meantime; its socket stays.
    if inode is not None and _inode(path) == inode:
        path.unlink(missing_ok=True)


class _Connection:
    """One client. Its requests are answered as they are done, in any order."""

    def __init__(self, batcher: Batcher, writer: asyncio.StreamWriter) -> None:
        self._batcher = batcher
        self._writer = writer
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, reader: asyncio.StreamReader) -> None:
        from deskwire_server.embeddings.wire import BadFrameError, read_frame

        try:
            while (received := await read_frame(reader)) is not None:
                task = asyncio.create_task(self._answer(received[0]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (BadFrameError, asyncio.IncompleteReadError, ConnectionError) as error:
            _say(f"a client was dropped: {type(error).__name__}")
        finally:
            for task in self._tasks:
                task.cancel()
            self._writer.close()

    async def _answer(self, header: dict[str, Any]) -> None:
        from deskwire_server.embeddings.wire import frame

        reply, body = await self._reply(header)
        with suppress(ConnectionError):
            self._writer.write(frame({"id": header.get("id"), **reply}, body))
            await self._writer.drain()

    async def _reply(self, header: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        from deskwire_server.embeddings.batcher import OverloadedError
        from deskwire_server.embeddings.minilm import DIMENSIONS, NAME

        texts = header.get("texts", [])
        purpose, layers = header.get("purpose", "document"), header.get("op") == "layers"
        if header.get("op") == "ping" or texts == []:
            return {"rows": 0, "dimensions": DIMENSIONS, "name": NAME}, b""
        if purpose not in ("query", "document") or not isinstance(texts, list) or len(texts) > _MAX_TEXTS:
            return {"error": "bad request"}, b""
        if not all(isinstance(text, str) for text in texts):
            return {"error": "bad request"}, b""
        question = header.get("question")
        if (header.get("op") == "match") != isinstance(question, str):
            return {"error": "bad request"}, b""
        try:
            if isinstance(question, str):
                match = await self._batcher.match(question, texts)
                body = b"".join(part.astype("<f4").tobytes() for part in (match.question, match.texts, match.likeness))
                return {"rows": len(texts), "words": match.words}, body
            vectors = await self._batcher.embed(texts, purpose, layers=layers)
        except OverloadedError:
            return {"error": "overloaded"}, b""
        except Exception as error:
            _say(f"embedding failed: {error!r}")
            return {"error": "failed"}, b""
        return {"rows": len(texts), "dimensions": DIMENSIONS, "name": NAME}, vectors.astype("<f4").tobytes()


if __name__ == "__main__":
    sys.exit(main())
