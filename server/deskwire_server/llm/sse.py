"""Cuts a byte stream into the payloads of server-sent events, whatever the borders of the chunks."""

from __future__ import annotations

MAX_EVENT_BYTES = 1024 * 1024
"""Longest event that is put together: far beyond any token, short enough that a runaway server fills no memory."""

_BOM = b"\xef\xbb\xbf"


class EventTooLargeError(ValueError):
    """An event grew beyond `MAX_EVENT_BYTES` without an end."""


class EventParser:
    """Parser of one stream. Names, ids and retry times of events are skipped: the payload says what it is."""

    __slots__ = ("_after_cr", "_data", "_limit", "_pending", "_size", "_started")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._pending: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._started = False

    @property
    def between_events(self) -> bool:
        """Whether the next byte begins an event, and none of an event is kept."""
        return not (self._pending or self._data or self._after_cr)

    def begun(self) -> None:
        """An event was cut by somebody else: a byte order mark would be none any more."""
        self._started = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """Payloads of the events that `chunk` completes, oldest first. Raises EventTooLargeError."""
        if b"\r" in chunk or self._after_cr:
            chunk = self._normalise(chunk)
        if b"\n" not in chunk:
            self._keep(chunk)
            return []
        if self._pending:
            chunk = b"".join((*self._pending, chunk))
            self._pending.clear()
        lines = chunk.split(b"\n")
        rest = lines.pop()
        self._size = sum(map(len, self._data))
        events: list[bytes] = []
        for line in lines:
            if line:
                self._line(line)
            elif self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data.clear()
                self._size = 0
        if rest:
            self._keep(rest)
        return events

    def _line(self, line: bytes) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._grow(len(value))
            self._data.append(value)

    def _keep(self, piece: bytes) -> None:
        self._grow(len(piece))
        self._pending.append(piece)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limit:
            raise EventTooLargeError(f"an event of more than {self._limit} bytes")

    def _normalise(self, chunk: bytes) -> bytes:
        """Turn CRLF and lone CR into LF; the halves of a CRLF may come in two chunks."""
        if not chunk:
            return chunk
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
