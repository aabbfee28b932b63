"""Many messages over one stream: those that wait are analysed together, results go out in the order of the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from deskwire.v1 import intent_pb2 as pb

from deskwire_server.errors import InvalidArgument
from deskwire_server.intents import convert
from deskwire_server.intents.analyst import Analyst

_TOGETHER = 32
_AHEAD = 4 * _TOGETHER
_MOST = 100_000


class Batches:
    """One call of `BatchAnalyzeMessages`."""

    def __init__(self, analyst: Analyst, tenant_id: UUID) -> None:
        self._analyst = analyst
        self._tenant_id = tenant_id
        self._waiting: asyncio.Queue[pb.BatchAnalyzeMessagesRequest | Exception | None] = asyncio.Queue(_AHEAD)

    async def run(
        self, requests: AsyncIterator[pb.BatchAnalyzeMessagesRequest]
    ) -> AsyncGenerator[pb.BatchAnalyzeMessagesResponse, None]:
        """One response for each request, in order. Raises what the first faulty request raises, after those before."""
        reading = asyncio.create_task(self._read(requests))
        index = 0
        try:
            ended: Exception | bool = False
            while not ended:
                batch, ended = await self._next()
                for place, (request, found) in enumerate(await self._analyse(batch)):
                    yield pb.BatchAnalyzeMessagesResponse(
                        key=request.key, index=index + place, analyses=convert.structs(found)
                    )
                index += len(batch)
                if isinstance(ended, Exception):
                    raise ended
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _read(self, requests: AsyncIterator[pb.BatchAnalyzeMessagesRequest]) -> None:
        """Queue the requests up to the first faulty one; the rest waits in the transport while the queue is full."""
        count = 0
        try:
            async for request in requests:
                count += 1
                if count > _MOST:
                    raise InvalidArgument.field("message", f"a call may have {_MOST:,} messages", "batch.max_messages")
                self._analyst.check(request.message.analysis_types)
                await self._waiting.put(request)
        except Exception as error:
            # Whatever ends the stream belongs behind the responses to what came before it.
            await self._waiting.put(error)
            return
        await self._waiting.put(None)

    async def _next(self) -> tuple[list[pb.BatchAnalyzeMessagesRequest], Exception | bool]:
        """What waits now, at least one request, and whether the stream ended behind it, with which error."""
        item = await self._waiting.get()
        batch: list[pb.BatchAnalyzeMessagesRequest] = []
        while isinstance(item, pb.BatchAnalyzeMessagesRequest):
            batch.append(item)
            if len(batch) == _TOGETHER or self._waiting.empty():
                return batch, False
            item = self._waiting.get_nowait()
        return batch, item if item is not None else True

    async def _analyse(
        self, batch: list[pb.BatchAnalyzeMessagesRequest]
    ) -> list[tuple[pb.BatchAnalyzeMessagesRequest, dict[str, dict[str, Any]]]]:
        messages = [
            (convert.message(one.message, one.context, one.history), one.analysis_types)
            for one in (each.message for each in batch)
        ]
        return list(zip(batch, await self._analyst.analyse(self._tenant_id, messages), strict=True))
