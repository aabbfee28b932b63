"""What every wire's reading has in common: bytes of an event stream in, events of the port out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from deskwire_server.llm.port import Finished, ProviderEvent, TextChunk
from deskwire_server.llm.sse import EventParser, EventTooLargeError
from deskwire_server.llm.steady import Steady

_LONGEST_TAIL: Final = 4 * 1024
"""Bytes of an event that is not whole yet which are looked at again with what follows them."""


class MalformedError(ValueError):
    """What came is not what the wire's format says."""


class Decoder(ABC):
    """Turns one answer's event payloads into `ProviderEvent`s. Made for each call, holds all of its state."""

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._text: list[str] = []
        self._parser = EventParser()
        self._steady = Steady()
        self._tail = b""
        self._careful = False
        self._spoken = False
        self.finished: Finished | None = None
        """Set when the terminal event has come."""
        self.tokens = 0
        """Payloads so far in which the model made something, text or not. Pings don't count."""

    def feed(self, chunk: bytes, events: list[ProviderEvent]) -> None:
        """Append the events that `chunk` completes, text of neighbouring payloads in one piece.

        Raises ProviderError and MalformedError; what came before the fault is in `events` all the same.
        """
        try:
            if self._careful or b"\r" in chunk:
                self._feed_parser(chunk, events)
            else:
                self._feed_blocks(chunk, events)
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

    @abstractmethod
    def place(self, event: Any) -> tuple[dict[str, Any], str] | None:
        """The object and the member that hold the text of `event`, a payload that `payload` took.

        None where it says anything but text: another event that differs from this one by that text alone must mean
        the same to `payload`, but for the text.
        """

    def _feed_blocks(self, chunk: bytes, events: list[ProviderEvent]) -> None:
        """The way of nearly all chunks: events end with an empty line, and have one line of data at their end."""
        if self._tail:
            chunk = self._tail + chunk
            self._tail = b""
        steady = self._steady
        start, size = 0, len(chunk)
        while start < size and self.finished is None:
            text, count, start = steady.take(chunk, start)
            if count:
                self.tokens += count
                self._say(text)
                continue
            end = chunk.find(b"\n\n", start)
            if end < 0:
                break
            self._event(chunk[start:end], events)
            start = end + 2
        if start < size:
            self._keep(chunk[start:], events)

    def _event(self, block: bytes, events: list[ProviderEvent]) -> None:
        """One event, without the empty line that ends it."""
        start = 6 if block.startswith(b"data: ") else _data_behind_name(block)
        if start < 0 or block.find(b"\n", start) >= 0:
            self._feed_parser(block + b"\n\n", events)
            return
        payload = block[start:]
        said = len(self._text)
        self.payload(payload, events)
        self._parser.begun()
        # The first text is not kept waiting.
        if len(self._text) > said and (said or self._spoken) and self._steady.learns():
            self._steady.learn(block[:start], payload, self.place)

    def _keep(self, tail: bytes, events: list[ProviderEvent]) -> None:
        """An event that is not whole. A long one is the parser's, which looks at nothing twice."""
        if len(tail) <= _LONGEST_TAIL:
            self._tail = tail
        else:
            self._feed_parser(tail, events)

    def _feed_parser(self, chunk: bytes, events: list[ProviderEvent]) -> None:
        """The way of all other chunks, until the parser is between two events."""
        if self._tail:
            chunk = self._tail + chunk
            self._tail = b""
        for payload in self._parser.feed(chunk):
            if self.finished is not None:
                break
            self.payload(payload, events)
        self._careful = not self._parser.between_events

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
            self._spoken = True


def _data_behind_name(block: bytes) -> int:
    """Where the data of an event begins that has a line with its name, and then its data; -1 for other events."""
    end = block.find(b"\n")
    return end + 7 if block.startswith(b"event: ") and block.startswith(b"data: ", end + 1) else -1
