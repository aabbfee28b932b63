"""Calls as bytes: HTTP/2 frames written by hand, for what a well-behaved client never sends."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Sequence
from contextlib import suppress

import grpc
import hpack
from google.rpc import status_pb2

from tests.rpc.refusals import Refusal

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _GO_AWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_PATIENCE = 10.0
Headers = Sequence[tuple[str, str]]


def frame(payload: bytes, *, flags: int = 0, length: int | None = None) -> bytes:
    """A gRPC message frame. `flags` 1 means compressed; `length` lies about the payload's."""
    return struct.pack(">BI", flags, len(payload) if length is None else length) + payload


async def raw_call(
    address: str, path: str, headers: Headers, body: bytes, *, replaced: dict[str, str] | None = None
) -> Refusal:
    """Make one call with this body as it is and return how it ended. `replaced` changes the usual headers."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        usual = {
            ":method": "POST", ":scheme": "http", ":path": path, ":authority": address, "te": "trailers",
            "content-type": "application/grpc",
        }  # fmt: skip
        block = hpack.Encoder().encode([*(usual | (replaced or {})).items(), *headers], huffman=False)
        writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, b""))
        writer.write(_frame(_HEADERS, _END_HEADERS, 1, block))
        for start in range(0, len(body), 16_384):
            writer.write(_frame(_DATA, 0, 1, body[start : start + 16_384]))
        writer.write(_frame(_DATA, _END_STREAM, 1, b""))
        async with asyncio.timeout(_PATIENCE):
            return await _ending(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _ending(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Refusal:
    decoder, found = hpack.Decoder(), dict[str, str]()
    while True:
        size, kind, flags, stream = struct.unpack(">IBBI", b"\0" + await reader.readexactly(9))
        payload = await reader.readexactly(size)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _HEADERS and stream == 1:
            found |= {str(key): str(value) for key, value in decoder.decode(payload)}
            if flags & _END_STREAM:
                return _refusal(found)
        elif kind == _DATA and flags & _END_STREAM:
            return _refusal(found)
        elif kind == _RESET or (kind == _GO_AWAY and "grpc-status" not in found):
            return Refusal(grpc.StatusCode.INTERNAL, f"the stream was reset: {payload[-4:]!r}", None)


def _refusal(headers: dict[str, str]) -> Refusal:
    details = headers.get("grpc-status-details-bin")
    status = None
    if details is not None:
        status = status_pb2.Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
    return Refusal(_CODES[int(headers["grpc-status"])], headers.get("grpc-message", ""), status)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">IBBI", len(payload), kind, flags, stream)[1:] + payload
