"""A provider that a test scripts: pieces, pauses, failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from deskwire_server.llm.port import CompletionRequest, Finished, FinishReason, ProviderEvent, TextChunk, Usage


@dataclass
class ScriptedProvider:
    """Gives its pieces one after another; waits at its `gate`, so that a test decides when text comes."""

    pieces: Sequence[str] = ("Hello ", "there.")
    gate: asyncio.Event | None = None
    gate_after: int = 1
    """Pieces before the gate."""
    error: Exception | None = None
    """Raised after the pieces instead of an end."""
    requests: list[CompletionRequest] = field(default_factory=list)
    closed: int = 0
    """Calls that ended, also by cancellation."""
    name: str = "scripted"
    default_model: str = "scripted-1"

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        self.requests.append(request)
        try:
            for number, piece in enumerate(self.pieces):
                if self.gate is not None and number == self.gate_after:
                    await self.gate.wait()
                yield TextChunk(piece)
            if self.error is not None:
                raise self.error
            yield Finished(FinishReason.STOP, self.default_model, Usage(7, len(self.pieces)), confidence=0.9)
        finally:
            self.closed += 1

    async def close(self) -> None:
        return
