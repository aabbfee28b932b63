"""Gathers texts of concurrent callers into one call of an embedder, and asks once for a text that several want."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from deskwire_server.embeddings.port import Embedder, Vectors

_PATIENCE = 0.005
"""Seconds that texts wait at most for a call under way; without one they wait for nothing."""


class Gathering:
    """One embedder for the questions of one process."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._wanted: dict[str, asyncio.Future[Vectors]] = {}
        """Not asked for yet."""
        self._asked: dict[str, asyncio.Future[Vectors]] = {}
        """Texts of calls under way."""
        self._timer: asyncio.Handle | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of `texts`, in order. Raises `EmbedderUnavailable`; whoever is cancelled takes nobody along."""
        futures = [self._future(text) for text in texts]
        # A future is shared: a caller that is cancelled must not cancel it.
        return np.stack([await asyncio.shield(future) for future in futures])

    async def close(self) -> None:
        """End the calls under way."""
        if self._timer is not None:
            self._timer.cancel()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        # A call that had not begun has told nobody.
        for future in (*self._wanted.values(), *self._asked.values()):
            future.cancel()

    def _future(self, text: str) -> asyncio.Future[Vectors]:
        known = self._asked.get(text) or self._wanted.get(text)
        if known is not None:
            return known
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Vectors] = loop.create_future()
        # Nobody may be left to hear of an error.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._wanted[text] = future
        if self._timer is None:
            self._timer = loop.call_later(_PATIENCE, self._ask) if self._calls else loop.call_soon(self._ask)
        return future

    def _ask(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._wanted = self._wanted, {}
        if not batch:
            return
        self._asked |= batch
        call = asyncio.get_running_loop().create_task(self._call(batch))
        self._calls.add(call)
        call.add_done_callback(self._done)

    async def _call(self, batch: dict[str, asyncio.Future[Vectors]]) -> None:
        try:
            vectors = await self._inner.embed(list(batch), purpose="query")
            for future, vector in zip(batch.values(), vectors, strict=True):
                future.set_result(vector)
        except asyncio.CancelledError:
            for future in batch.values():
                future.cancel()
            raise
        except Exception as error:
            for future in batch.values():
                if not future.done():
                    future.set_exception(error)
        finally:
            for text in batch:
                del self._asked[text]

    def _done(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if self._wanted and not call.cancelled():
            self._ask()
