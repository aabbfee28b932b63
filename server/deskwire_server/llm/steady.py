"""Reads the events of a stream that differ by their text alone without looking at the rest of them again.

Most events of an answer repeat all but a few letters of the one before. Where an event was read in full, and is text
between two parts that don't depend on it, an event of the same two parts means the same with another text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import orjson

Place = Callable[[Any], tuple[dict[str, Any], str] | None]
"""Finds the object and the member that hold the text of a parsed event; None where it says more than text."""

_CREDIT: Final = 4
"""Attempts in vain before a stream is taken for one whose events have nothing in common."""
_FARTHEST: Final = 64 * 1024
"""Bytes that are looked through for a run of events."""
_LONGEST: Final = 8 * 1024
"""Bytes of an event that is worth while to learn from."""
_MOST_PLACES: Final = 4
_SPECIAL: Final = bytes((*range(0x0A), *range(0x0B, 0x20), *b'"\\'))
"""Bytes that do not stand for themselves in a JSON string, but for the line feed, which is none of an event's."""
_STRINGS: Final = re.compile(rb'(?:[^"\\\x00-\x09\x0b-\x1f]++|\\["\\/bfnrtu])*+')


class Steady:
    """What the events of one stream have in common."""

    __slots__ = ("_after", "_between", "_credit", "_lead", "_tail")

    def __init__(self) -> None:
        self._lead = b""
        self._after = b""
        self._tail = b""
        self._between = b""
        self._credit = _CREDIT

    def learns(self) -> bool:
        """Whether it is worth while to show it an event by `learn`."""
        return self._credit > 0

    def learn(self, frame: bytes, payload: bytes, place: Place) -> None:
        """`payload`, which was read and found good, came behind `frame`, the lines and the field's name before it."""
        self._credit -= 1
        if len(payload) > _LONGEST:
            return
        event = orjson.loads(payload)
        found = place(event)
        if found is None:
            return
        text = found[0][found[1]]
        raw = text.encode()
        if not raw or b"\n" in raw or len(raw.translate(None, _SPECIAL)) != len(raw):
            return
        start = -1
        for _ in range(_MOST_PLACES):
            start = payload.find(b'"%b"' % raw, start + 1) + 1
            if start == 0:
                return
            before, after = payload[:start], payload[start + len(raw) :]
            if _says(before + raw + b"~" + after, place, event, text):
                self._lead, self._after, self._tail = frame + before, after, after + b"\n\n"
                self._between = self._tail + self._lead
                return

    def take(self, chunk: bytes, start: int) -> tuple[str, int, int]:
        """The text of the events that begin at `start`, how many they are, and where the next one begins.

        No events, where the first one is another kind of event or not whole.
        """
        lead = self._lead
        if not lead or not chunk.startswith(lead, start):
            return "", 0, start
        blocks = chunk[start : start + _FARTHEST].split(b"\n\n")
        # What follows the last empty line is not whole.
        blocks.pop()
        if not blocks:
            return "", 0, start
        while blocks and not (blocks[-1].startswith(lead) and blocks[-1].endswith(self._after)):
            blocks.pop()
        pieces = [block[len(lead) : -len(self._after)] for block in blocks]
        end = self._end(chunk, start, pieces)
        text = _text(pieces) if end else None
        if text is None:
            pieces = self._first(blocks)
            end, text = self._end(chunk, start, pieces), _text(pieces) or ""
        if not pieces:
            self._miss()
            return "", 0, start
        self._credit = _CREDIT
        return text, len(pieces), end

    def _end(self, chunk: bytes, start: int, pieces: list[bytes]) -> int:
        """Where the events with these texts end that begin at `start`; 0 where other events stand between them."""
        run = b"%b%b%b" % (self._lead, self._between.join(pieces), self._tail)
        return start + len(run) if chunk.startswith(run, start) else 0

    def _first(self, blocks: list[bytes]) -> list[bytes]:
        """The texts of those of `blocks` that come before one of another kind."""
        pieces: list[bytes] = []
        for block in blocks:
            piece = block[len(self._lead) : -len(self._after)]
            if block != b"%b%b%b" % (self._lead, piece, self._after) or _text([piece]) is None:
                break
            pieces.append(piece)
        return pieces

    def _miss(self) -> None:
        self._credit -= 1
        if self._credit <= 0:
            self._lead = b""


def _says(payload: bytes, place: Place, event: Any, text: str) -> bool:
    """Whether `payload` is `event` with one letter more at the end of its text."""
    try:
        other = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    found = place(other)
    if found is None or found[0][found[1]] != text + "~":
        return False
    found[0][found[1]] = text
    return bool(other == event)


def _text(pieces: list[bytes]) -> str | None:
    """What the insides of JSON strings stand for, joined; None where one is no such inside."""
    joined = b"\n".join(pieces)
    if joined.count(b"\n") != max(0, len(pieces) - 1):
        return None
    try:
        if len(joined.translate(None, _SPECIAL)) == len(joined):
            return joined.decode().replace("\n", "")
        if _STRINGS.fullmatch(joined):
            return "".join(orjson.loads(b'["%b"]' % joined.replace(b"\n", b'","')))
    except ValueError:
        # Bytes that are no UTF-8, or half a character by its number.
        return None
    return None
