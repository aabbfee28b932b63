"""The common frame of providers that stream events over HTTP: request out, bytes in, events on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import ClassVar, Self

import structlog

from deskwire_server.llm.decoder import Decoder, MalformedError
from deskwire_server.llm.endpoint import Endpoint
from deskwire_server.llm.failures import failure
from deskwire_server.llm.http import Call, StreamClient, Timeouts
from deskwire_server.llm.port import CompletionRequest, ProviderError, ProviderEvent
from deskwire_server.settings import Settings

_log = structlog.get_logger(__name__)


class StreamingProvider(ABC):
    """A provider behind an HTTP event stream. A subclass says what to send and how to read what comes.

    The constructor raises InvalidArgument for a key or base URL that can't be used.
    """

    name: ClassVar[str]
    """Short name, as in AI_DEFAULT_PROVIDER."""
    path: ClassVar[str]
    """Path of the streaming call below the base URL."""

    def __init__(self, endpoint: Endpoint, *, model: str, timeouts: Timeouts) -> None:
        self._model = model
        self._client = StreamClient(endpoint, self.path, timeouts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self._model!r})"

    @classmethod
    @abstractmethod
    def configured(cls, settings: Settings) -> Self | None:
        """The provider as the settings describe it; None where they turn it off."""

    @property
    def default_model(self) -> str:
        """Model used where a request names none."""
        return self._model

    @abstractmethod
    def body(self, request: CompletionRequest, model: str) -> bytes:
        """The call's JSON body."""

    @abstractmethod
    def decoder(self, model: str) -> Decoder:
        """A decoder for one answer."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Answer `request`, as the port says. Text comes in the pieces in which the network delivers it."""
        model = request.model or self._model
        decoder = self.decoder(model)
        call = await self._client.post(self.body(request, model))
        try:
            while decoder.finished is None:
                events: list[ProviderEvent] = []
                failed = await self._next(decoder, call, events)
                for event in events:
                    yield event
                if failed is not None:
                    raise failed
                if events and decoder.finished is None:
                    call.rest()
        finally:
            call.end(whole=decoder.finished is not None)

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    async def _next(self, decoder: Decoder, call: Call, events: list[ProviderEvent]) -> ProviderError | None:
        """Append the events of the next piece of the body; return the error that ends the stream, if one does."""
        call.watch.waiting()
        try:
            chunk = await call.read()
        except (OSError, ValueError) as error:
            if call.watch.expired is not None:
                return self._failed(failure(self.name, call.watch.expired))
            return self._ended(decoder, events, type(error).__name__)
        if not chunk:
            return self._ended(decoder, events, "end of the body")
        before = decoder.tokens
        try:
            decoder.feed(chunk, events)
        except MalformedError as error:
            return self._failed(failure(self.name, "malformed"), str(error))
        except ProviderError as error:
            return self._failed(error)
        if decoder.tokens != before:
            call.watch.progress()
        return None

    def _ended(self, decoder: Decoder, events: list[ProviderEvent], cause: str) -> ProviderError | None:
        """The body ended without the terminal event: whole all the same, or cut."""
        try:
            if decoder.end(events):
                return None
        except MalformedError as error:
            return self._failed(failure(self.name, "malformed"), str(error))
        return self._failed(failure(self.name, "cut"), cause)

    def _failed(self, error: ProviderError, cause: str = "") -> ProviderError:
        _log.warning("provider failed in mid-answer", provider=self.name, kind=error.kind, cause=cause)
        return error
