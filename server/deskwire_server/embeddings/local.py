"""Talks to the local embedder's process over its Unix socket."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Match, Vectors
from deskwire_server.embeddings.wire import BadFrameError, frame, read_frame

NAME = "local/all-MiniLM-L6-v2"
DIMENSIONS = 384
VIEWS = 3
"""Unit vectors side by side in a row of `embed_layers`."""
_SLICE = 1_024
"""Texts of one request: a huge document neither fills a frame nor outlasts a timeout."""


class LocalEmbedder:
    """all-MiniLM-L6-v2 in its own process. One connection carries all requests and is made anew when it breaks."""

    name = NAME
    dimensions = DIMENSIONS

    def __init__(
        self, socket: Path, *, query_timeout: float = 5.0, document_timeout: float = 300.0, connect_timeout: float = 2.0
    ) -> None:
        """Timeouts in seconds, the queue's wait included; that of documents holds for each slice of them."""
        self._socket = socket
        self._timeouts = {"query": query_timeout, "document": document_timeout}
        self._connect_timeout = connect_timeout
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[tuple[dict[str, Any], bytes]]] = {}
        self._ids = itertools.count(1)

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        """Embed `texts` in order. Raises `EmbedderUnavailable`."""
        if not texts:
            return np.empty((0, DIMENSIONS), dtype=np.float32)
        slices = [list(texts[start : start + _SLICE]) for start in range(0, len(texts), _SLICE)]
        return np.concatenate([await self._slice(part, purpose) for part in slices])

    async def embed_layers(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        """Rows of `VIEWS` unit vectors, of the model's last layers, its own embedding at the end.

        Raises `EmbedderUnavailable`.
        """
        if not texts:
            return np.empty((0, VIEWS * DIMENSIONS), dtype=np.float32)
        slices = [list(texts[start : start + _SLICE]) for start in range(0, len(texts), _SLICE)]
        return np.concatenate([await self._slice(part, purpose, op="layers") for part in slices])

    async def match(self, question: str, texts: Sequence[str]) -> Match:
        """Compare the words of `question` with `texts`, some and few. Raises `EmbedderUnavailable`."""
        header = {"op": "match", "question": question, "texts": list(texts)}
        reply, body = await self._call(header, self._timeouts["query"])
        words = tuple(reply.get("words", ()))
        if reply.get("rows") != len(texts) or len(body) != 4 * (
            (len(texts) + 1) * DIMENSIONS + len(words) * len(texts)
        ):
            raise self._unavailable("answered with the wrong number of vectors")
        numbers = np.frombuffer(body, dtype="<f4").astype(np.float32, copy=False)
        vectors = numbers[: (len(texts) + 1) * DIMENSIONS].reshape(-1, DIMENSIONS)
        likeness = numbers[vectors.size :].reshape(len(words), len(texts))
        return Match(words, vectors[0], vectors[1:], likeness)

    async def ping(self) -> None:
        """Return when the process answers. Raises `EmbedderUnavailable`."""
        await self._call({"op": "ping"}, self._connect_timeout)

    async def close(self) -> None:
        """Close the connection; calls under way fail."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._drop()

    async def _slice(
        self, texts: list[str], purpose: Literal["query", "document"], *, op: Literal["embed", "layers"] = "embed"
    ) -> Vectors:
        columns = VIEWS * DIMENSIONS if op == "layers" else DIMENSIONS
        reply, body = await self._call({"op": op, "purpose": purpose, "texts": texts}, self._timeouts[purpose])
        if reply.get("rows") != len(texts) or len(body) != len(texts) * columns * 4:
            raise self._unavailable("answered with the wrong number of vectors")
        return np.frombuffer(body, dtype="<f4").reshape(len(texts), columns).astype(np.float32, copy=False)

    async def _call(self, header: dict[str, Any], timeout: float) -> tuple[dict[str, Any], bytes]:
        number = next(self._ids)
        future: asyncio.Future[tuple[dict[str, Any], bytes]] = asyncio.get_running_loop().create_future()
        try:
            packed = frame({"id": number, **header})
            writer = await self._connected()
            self._waiting[number] = future
            writer.write(packed)
            async with asyncio.timeout(timeout):
                await writer.drain()
                reply, body = await future
        except TimeoutError as error:
            raise self._unavailable(f"did not answer within {timeout:g} s") from error
        except (OSError, BadFrameError) as error:
            raise self._unavailable(f"is not reachable ({type(error).__name__})") from error
        finally:
            self._waiting.pop(number, None)
        if "error" in reply:
            raise self._unavailable(f"refused: {reply['error']}")
        return reply, body

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None or self._writer.is_closing():
                async with asyncio.timeout(self._connect_timeout):
                    reader, writer = await asyncio.open_unix_connection(self._socket)
                self._writer = writer
                self._reading = asyncio.create_task(self._read(reader, writer))
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (received := await read_frame(reader)) is not None:
                future = self._waiting.get(received[0].get("id", 0))
                if future is not None and not future.done():
                    future.set_result(received)
        except (BadFrameError, asyncio.IncompleteReadError, OSError) as error:
            # The connection is over either way; the calls that wait learn why.
            self._fail(ConnectionResetError(f"the embedder's connection broke ({type(error).__name__})"))
        finally:
            writer.close()
            if self._writer is writer:
                self._drop()

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        self._fail(ConnectionResetError("the embedder closed the connection"))

    def _fail(self, error: ConnectionResetError) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)

    def _unavailable(self, what: str) -> EmbedderUnavailable:
        return EmbedderUnavailable(f"the local embedder {what}", embedder=self.name)
