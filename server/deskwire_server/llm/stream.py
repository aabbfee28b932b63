"""The common frame of providers that stream events over HTTP: request out, bytes in, events on."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, ClassVar, Self

import structlog

from deskwire_server import lazy
from deskwire_server.llm.failures import failure
from deskwire_server.llm.http import Body, Endpoint, StreamClient, Timeouts, Watch
from deskwire_server.llm.port import CompletionRequest, Finished, ProviderError, ProviderEvent, TextChunk
from deskwire_server.llm.sse import EventParser, EventTooLargeError
from deskwire_server.settings import Settings

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = lazy.module("aiohttp")

_log = structlog.get_logger(__name__)

_DRAIN_SECONDS = 0.05
"""Wait for the end of the HTTP body behind the last event, so that the connection can be used again."""


class MalformedError(ValueError):
    """What came is not what the wire's format says."""


class Decoder(ABC):
    """Turns one answer's event payloads into `ProviderEvent`s. Made for each call, holds all of its state."""

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._text: list[str] = []
        self._parser = EventParser()
        self.finished: Finished | None = None
        """Set when the terminal event has come."""
        self.tokens = 0
        """Payloads so far in which the model made something, text or not. Pings don't count."""

    def feed(self, chunk: bytes, events: list[ProviderEvent]) -> None:
        """Append the events that `chunk` completes, text of neighbouring payloads in one piece.

        Raises ProviderError and MalformedError; what came before the fault is in `events` all the same.
        """
        try:
            for payload in self._parser.feed(chunk):
                if self.finished is not None:
                    break
                self.payload(payload, events)
        except EventTooLargeError as error:
            raise MalformedError(str(error)) from error
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise MalformedError(f"an event of unknown shape: {type(error).__name__}") from error
        finally:
            self._flush(events)

    @abstractmethod
    def payload(self, payload: bytes, events: list[ProviderEvent]) -> None:
        """Take one payload; append what it means to `events`, text by `_say`."""

    @abstractmethod
    def end(self, events: list[ProviderEvent]) -> bool:
        """The body ended without its terminal event: append `Finished` if the answer is whole all the same.

        Returns whether it is. Raises MalformedError.
        """

    def _say(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError("text that is none")
        if text:
            self._text.append(text)

    def _emit(self, event: ProviderEvent, events: list[ProviderEvent]) -> None:
        """Append an event that is no text, behind the text that came before it."""
        self._flush(events)
        events.append(event)
        if isinstance(event, Finished):
            self.finished = event

    def _flush(self, events: list[ProviderEvent]) -> None:
        if self._text:
            # A model may make a NUL, no database takes one.
            events.append(TextChunk("".join(self._text).replace("\0", "")))
            self._text.clear()


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
        self._pause = timeouts.pause
        self._client = StreamClient(endpoint, timeouts)

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
        async with self._client.post(self.path, self.body(request, model)) as (body, watch):
            while decoder.finished is None:
                events: list[ProviderEvent] = []
                failed = await self._next(decoder, body, watch, events)
                for event in events:
                    yield event
                if failed is not None:
                    raise failed
                if self._pause and events and decoder.finished is None:
                    await body.rest(self._pause)
            await _drain(body)

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    async def _next(
        self, decoder: Decoder, body: Body, watch: Watch, events: list[ProviderEvent]
    ) -> ProviderError | None:
        """Append the events of the next piece of the body; return the error that ends the stream, if one does."""
        watch.waiting()
        try:
            chunk = await body.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if (failed := self._fed(decoder, body.unread(), watch, events)) is not None or decoder.finished is not None:
                return failed
            if watch.expired is not None:
                return self._failed(failure(self.name, watch.expired))
            return self._ended(decoder, events, type(error).__name__)
        if not chunk:
            return self._ended(decoder, events, "end of the body")
        return self._fed(decoder, chunk, watch, events)

    def _fed(self, decoder: Decoder, chunk: bytes, watch: Watch, events: list[ProviderEvent]) -> ProviderError | None:
        """Append the events of `chunk`; return the error that it is or tells of."""
        before = decoder.tokens
        try:
            decoder.feed(chunk, events)
        except MalformedError as error:
            return self._failed(failure(self.name, "malformed"), str(error))
        except ProviderError as error:
            return self._failed(error)
        if decoder.tokens != before:
            watch.progress()
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


async def _drain(body: Body) -> None:
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while await body.read():
                pass
    except (TimeoutError, aiohttp.ClientError):
        _log.debug("a provider's stream went on behind its end; its connection is not used again")
