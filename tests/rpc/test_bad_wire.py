"""Bytes, frames and headers that no well-behaved client sends, to every RPC of a real server."""

from __future__ import annotations

import gzip

import grpc
import pytest
from deskwire.v1 import conversation_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from tests.rpc.contract import call, call_as, find, rpcs
from tests.rpc.requests import CREATE
from tests.rpc.wire import frame, raw_call
from tests.support.server import Client, Server

INVALID = grpc.StatusCode.INVALID_ARGUMENT
MALFORMED = {
    "1 no protobuf": b"\xff\xff\xff",
    "2 bad UTF-8": b"\x12\x02\xff\xfe",
    "3 a truncated field": b"\x12\x20ab",
    "4 nesting of 150": b"\xfb\x01" * 150 + b"\xfc\x01" * 150,
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_messages_of_every_rpc(server: Server, admin: Client, name: str) -> None:
    checked = 0
    for rpc in rpcs():
        body = MALFORMED[name]
        if name.startswith("2"):
            tag = _first_text_field(rpc.request)
            if tag is None:
                continue
            body = tag + b"\x02\xff\xfe"
        outcome = await call_as(admin, rpc, body)
        refusal = outcome.refusal
        assert refusal is not None, rpc.path
        assert (refusal.code, refusal.reason) == (INVALID, "MALFORMED_MESSAGE"), rpc.path
        assert refusal.detail(error_details_pb2.BadRequest) is not None
        refusal.assert_nothing_internal()
        checked += 1
    assert checked > 15


def _first_text_field(request: type[Message]) -> bytes | None:
    for field in request.DESCRIPTOR.fields:
        if field.type == field.TYPE_STRING:
            return bytes([field.number << 3 | 2])
    return None


LIBRARY: dict[str, tuple[dict[str, str], bytes, grpc.StatusCode]] = {
    "6 a declared length of 0xFFFFFFFF": ({}, frame(b"abc", length=0xFFFFFFFF), grpc.StatusCode.RESOURCE_EXHAUSTED),
    "7 a gzip bomb": (
        {"grpc-encoding": "gzip"},
        frame(gzip.compress(bytes(20_000_000)), flags=1),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ),
    "9 corrupt gzip": ({"grpc-encoding": "gzip"}, frame(b"not gzip", flags=1), grpc.StatusCode.INTERNAL),
    "10 compressed without agreement": ({}, frame(b"abc", flags=1), grpc.StatusCode.INTERNAL),
    "11 unknown encoding": ({"grpc-encoding": "zip9"}, frame(b"abc", flags=1), grpc.StatusCode.INTERNAL),
    "12 a negative timeout": ({"grpc-timeout": "-5S"}, frame(b""), grpc.StatusCode.INTERNAL),
    "12 a timeout that is none": ({"grpc-timeout": "abc"}, frame(b""), grpc.StatusCode.INTERNAL),
    "12 an empty timeout": ({"grpc-timeout": ""}, frame(b""), grpc.StatusCode.INTERNAL),
    "13 a bad -bin header": ({"x-trace-bin": "!not base64!"}, frame(b""), grpc.StatusCode.INTERNAL),
    "16 a timeout of nothing": ({"grpc-timeout": "0n"}, frame(b""), grpc.StatusCode.DEADLINE_EXCEEDED),
    "26 unknown fields": ({}, frame(b"\xfa\x3e\x03abc"), grpc.StatusCode.OK),
}


@pytest.mark.parametrize("name", LIBRARY)
async def test_what_the_library_answers(server: Server, ana: Client, name: str) -> None:
    headers, body, code = LIBRARY[name]
    refusal = await raw_call(server.address, CREATE, [*ana.metadata, *headers.items()], body)
    assert refusal.code is code
    refusal.assert_nothing_internal()


async def test_messages_and_headers_over_their_limit(server: Server, ana: Client) -> None:
    large = conversation_pb2.CreateConversationRequest(request_id="x" * (4 * 1024 * 1024 + 1))
    outcome = await call_as(ana, find(CREATE), large)
    assert outcome.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    heavy = (*ana.metadata, ("x-heavy", "x" * 40_000))
    outcome = await call(ana.channel, find(CREATE), [conversation_pb2.CreateConversationRequest()], heavy)
    assert outcome.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_unknown_method(server: Server, ana: Client) -> None:
    for path in ("/deskwire.v1.ChatService/Nothing", "/deskwire.v9.Nobody/Chat"):
        refusal = await raw_call(server.address, path, ana.metadata, frame(b""))
        assert refusal.code is grpc.StatusCode.UNIMPLEMENTED
