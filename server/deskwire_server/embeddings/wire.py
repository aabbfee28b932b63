"""Frames between the local embedder and its clients: two lengths, a JSON header, raw bytes.

A request's header is `{"id", "op": "embed" | "layers" | "ping", "purpose", "texts"}` with an empty body. A reply's
header is `{"id", "rows", "dimensions", "name"}` with the rows as little-endian float32, or `{"id", "error"}`. The rows
of `layers` are longer: unit vectors of the last layers side by side, the model's own at the end.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import orjson

MAX_HEADER = 16 * 1024 * 1024
"""Longest header, in bytes."""
MAX_BODY = 64 * 1024 * 1024
"""Longest body, in bytes."""

_LENGTHS = struct.Struct("!II")


class BadFrameError(Exception):
    """The other side does not speak this protocol."""


def frame(header: dict[str, Any], body: bytes = b"") -> bytes:
    """One frame. Raises `BadFrameError` when a part is too long."""
    head = orjson.dumps(header)
    if len(head) > MAX_HEADER or len(body) > MAX_BODY:
        raise BadFrameError("a frame is too long")
    return _LENGTHS.pack(len(head), len(body)) + head + body


async def read_frame(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes] | None:
    """The next frame, None at a clean end. Raises `BadFrameError`, `IncompleteReadError`."""
    try:
        lengths = await reader.readexactly(_LENGTHS.size)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    head_length, body_length = _LENGTHS.unpack(lengths)
    if head_length > MAX_HEADER or body_length > MAX_BODY:
        raise BadFrameError("a frame is too long")
    try:
        header = orjson.loads(await reader.readexactly(head_length))
    except orjson.JSONDecodeError as error:
        raise BadFrameError("a header is not JSON") from error
    if not isinstance(header, dict):
        raise BadFrameError("a header is not an object")
    return header, await reader.readexactly(body_length)
