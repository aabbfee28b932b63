"""What clients sent, were told and saw, one JSON line each, for the reconciliation afterwards."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson
from deskwire.v1 import common_pb2, event_pb2

_TERMINAL = {
    "message_completed": lambda event: event.message_completed.message,
    "turn_failed": lambda event: event.turn_failed.partial_message,
    "turn_cancelled": lambda event: event.turn_cancelled.partial_message,
}


class Journal:
    """Writes lines. Each has `t`, the monotonic time, and `k`, its kind."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("ab", buffering=1 << 20)
        self._numbers = itertools.count(1)

    def note(self, kind: str, **values: Any) -> None:
        """Write one line."""
        self._file.write(orjson.dumps({"t": round(time.monotonic(), 4), "k": kind, **values}) + b"\n")

    def stream(self, kind: str, conversation: str, *, after: int | None = None, request: str = "") -> Stream:
        """Begin the record of one stream as its user sees it, whatever calls it takes."""
        stream = Stream(self, next(self._numbers), request)
        self.note("stream", s=stream.number, of=kind, c=conversation, after=after, r=request)
        return stream

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


class Stream:
    """The record of one stream."""

    def __init__(self, journal: Journal, number: int, request: str) -> None:
        self._journal = journal
        self._request = request
        self.number = number
        self.sequence = 0

    def state(self, state: str) -> None:
        """Its connection changed."""
        self._journal.note("state", s=self.number, state=state)

    def end(self, outcome: str) -> None:
        """Nothing more is expected of it."""
        self._journal.note("over", s=self.number, outcome=outcome)

    def event(self, raw: event_pb2.ConversationEvent) -> None:
        """An event arrived."""
        kind = raw.WhichOneof("event") or ""
        line: dict[str, Any] = {"s": self.number, "e": kind, "c": raw.conversation_id, "u": raw.turn_id}
        if raw.sequence:
            line["q"] = self.sequence = raw.sequence
        if kind == "text_delta":
            delta = raw.text_delta
            line |= {"a": delta.attempt, "o": delta.offset, "x": delta.text, "m": delta.message_id}
        elif kind == "turn_started":
            line |= {"a": raw.turn_started.attempt, "m": raw.turn_started.message_id}
        elif kind == "message_accepted":
            accepted = raw.message_accepted
            line |= {"x": accepted.message.text, "r": accepted.message.request_id, "m": accepted.message.id,
                     "w": accepted.queue_position}  # fmt: skip
        elif kind == "regeneration_accepted":
            line |= {"r": self._request, "w": raw.regeneration_accepted.queue_position}
        elif kind in _TERMINAL:
            message: common_pb2.Message = _TERMINAL[kind](raw)
            line |= {"x": message.text, "m": message.id}
        self._journal.note("event", **line)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Every line of a run's journals, with the process that wrote it as `p`."""
    for path in sorted(folder.glob("clients-*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                yield {**orjson.loads(line), "p": path.stem}
