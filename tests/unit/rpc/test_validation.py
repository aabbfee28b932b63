"""What no field may hold, whatever the rules of the contract."""

from __future__ import annotations

from typing import Any

import pytest
from deskwire.compat.v1 import site_pb2
from deskwire.v1 import chat_pb2, conversation_pb2
from google.protobuf import struct_pb2, timestamp_pb2
from google.protobuf.message import Message

from deskwire_server.errors import InvalidArgument
from deskwire_server.rpc.validation import check


def nested(value: Any) -> site_pb2.SiteAssistantServiceCreateConversationRequest:
    struct = struct_pb2.Struct()
    struct.update({"list": [{"deep": value}]})
    return site_pb2.SiteAssistantServiceCreateConversationRequest(metadata=struct)


def with_metadata(key: str, value: str) -> conversation_pb2.CreateConversationRequest:
    return conversation_pb2.CreateConversationRequest(conversation=conversation_pb2.Conversation(metadata={key: value}))


def ping(**time: int) -> chat_pb2.ConverseRequest:
    return chat_pb2.ConverseRequest(ping=chat_pb2.Ping(client_time=timestamp_pb2.Timestamp(**time)))


_DEEP = "metadata.fields['list'].list_value.values[0].struct_value.fields['deep']"


@pytest.mark.parametrize(
    ("message", "field", "rule"),
    [
        (with_metadata("k", "a\0b"), "conversation.metadata['k']", "string.no_nul"),
        (with_metadata("k\0", "v"), "conversation.metadata['k\\x00']", "string.no_nul"),
        (nested("\0"), f"{_DEEP}.string_value", "string.no_nul"),
        (nested(float("nan")), f"{_DEEP}.number_value", "double.finite"),
        (nested(float("-inf")), f"{_DEEP}.number_value", "double.finite"),
        (ping(seconds=253_402_300_800), "ping.client_time", "timestamp.valid"),
        (ping(seconds=-62_135_596_801), "ping.client_time", "timestamp.valid"),
        (ping(nanos=1_000_000_000), "ping.client_time", "timestamp.valid"),
    ],
)
def test_what_is_refused(message: Message, field: str, rule: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check(message)
    assert [(each.field, each.rule) for each in refused.value.violations] == [(field, rule)]


@pytest.mark.parametrize(
    "message",
    [
        with_metadata("k", "v"), nested("text"), nested(1e308), nested(None), ping(seconds=253_402_300_799),
        ping(seconds=-62_135_596_800), ping(nanos=999_999_999),
    ],
)  # fmt: skip
def test_what_is_taken(message: Message) -> None:
    check(message)


def test_no_more_than_twenty_are_named() -> None:
    many = conversation_pb2.CreateConversationRequest(conversation=conversation_pb2.Conversation(tags=["\0"] * 50))
    for message in (many, with_metadata("k" * 100_000, "v")):
        with pytest.raises(InvalidArgument) as refused:
            check(message)
        assert len(refused.value.violations) <= 20
        assert all(len(violation.field) < 120 for violation in refused.value.violations)
