"""Streams whose clients take several events in one response: the same events, in the same order, in fewer messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from deskwire.v1 import chat_pb2, event_pb2

from tests.support.provider import ScriptedProvider
from tests.support.server import Client

PIECES = [f"word{number} " for number in range(12)]
TOLD = ["connection_status", "message_accepted", "turn_started", "typing", "text_delta", "typing", "message_completed"]
DURABLE = ["message_accepted", "turn_started", "message_completed"]


async def bundles(call: AsyncIterator[Any]) -> list[list[event_pb2.ConversationEvent]]:
    return [[response.event, *response.more_events] async for response in call]


def kinds(events: list[event_pb2.ConversationEvent]) -> list[str]:
    """Kinds of events, pieces of text next to each other as one."""
    found = [str(event.WhichOneof("event")) for event in events]
    return [kind for before, kind in zip(["", *found], found, strict=False) if (before, kind) != ("text_delta",) * 2]


def flat(bundled: list[list[event_pb2.ConversationEvent]]) -> list[event_pb2.ConversationEvent]:
    return [event for bundle in bundled for event in bundle]


async def asked(client: Client, *, bundled: bool, session: str = "") -> list[list[event_pb2.ConversationEvent]]:
    request = chat_pb2.SendMessageRequest(message=chat_pb2.UserMessage(text="Count, please"), bundle_events=bundled)
    if session:
        request.session_id = session
    return await bundles(client.chat.SendMessage(request, metadata=client.metadata, timeout=30))


@pytest.mark.parametrize("bundled", [True, False])
async def test_a_turn_is_told_alike_in_bundles_and_one_by_one(
    ana: Client, provider: ScriptedProvider, bundled: bool
) -> None:
    provider.pieces = PIECES
    told = await asked(ana, bundled=bundled)
    events = flat(told)
    text = "".join(event.text_delta.text for event in events if event.HasField("text_delta"))

    assert kinds(events) == TOLD
    assert "".join(PIECES).startswith(text)
    assert events[-1].message_completed.message.text == "".join(PIECES)
    assert [event.sequence for event in events if event.sequence] == [1, 2, 3]
    if bundled:
        assert kinds(told[0]) == TOLD[:4], "what is known as the message is accepted leaves at once"
        assert len(told) < len(events) - 3
    else:
        assert {len(each) for each in told} == {1}


async def test_what_was_missed_comes_in_bundles(ana: Client, provider: ScriptedProvider) -> None:
    provider.pieces = PIECES
    for _ in range(4):
        first = await asked(ana, bundled=False, session="a talk")
    conversation_id = first[0][0].conversation_id
    request = chat_pb2.WatchConversationRequest(conversation_id=conversation_id, after_sequence=0, bundle_events=True)
    watching = ana.chat.WatchConversation(request, metadata=ana.metadata, timeout=30)
    told: list[list[event_pb2.ConversationEvent]] = []
    async for response in watching:
        told.append([response.event, *response.more_events])
        if told[-1][-1].sequence == 12:
            break
    watching.cancel()

    assert kinds(flat(told)) == ["connection_status", *DURABLE * 4]
    assert len(told) == 2


async def test_a_stream_of_both_directions_takes_bundles(ana: Client, provider: ScriptedProvider) -> None:
    provider.pieces = PIECES
    requests = [
        chat_pb2.ConverseRequest(open=chat_pb2.OpenConversation(bundle_events=True)),
        chat_pb2.ConverseRequest(message=chat_pb2.UserMessage(text="Count, please")),
    ]
    told = await bundles(ana.chat.Converse(iter(requests), metadata=ana.metadata, timeout=30))

    assert kinds(flat(told)) == TOLD
    assert len(told) < len(flat(told))
