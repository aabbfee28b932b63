"""Cursors to events that are kept no longer, over every stream, and what a client makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import grpc
import pytest
from deskwire.v1 import chat_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from deskwire_client import Completed, DeskwireClient, Missed, Status
from deskwire_server.db.retention import Retention
from deskwire_server.db.system import SystemDatabase
from tests.rpc.contract import call_as, find
from tests.rpc.pairs import ask
from tests.support.postgres import TestPostgres
from tests.support.server import Client, Server

CHAT = "/deskwire.v1.ChatService/"


@pytest.fixture
async def swept(ana: Client, postgres: TestPostgres) -> str:
    """A conversation of two turns, of which the first is older than events are kept."""
    first = ask(ana, "one", session_id="s")
    await first.task
    superuser = await asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + "/deskwire")
    try:
        for table, column, key in (
            ("events", "created_at", "conversation_id"),
            ("turns", "finished_at", "conversation_id"),
        ):
            await superuser.execute(
                f"UPDATE {table} SET {column} = {column} - interval '40 days' WHERE {key} = $1",
                UUID(first.conversation_id),
            )
    finally:
        await superuser.close()
    await ask(ana, "two", session_id="s").task
    system = SystemDatabase(postgres.system_url)
    await Retention(system, event_days=30, request_hours=24).sweep()
    await system.close()
    return first.conversation_id


def requests(conversation_id: str) -> Sequence[tuple[str, Message]]:
    cursor: dict[str, Any] = {"conversation_id": conversation_id, "after_sequence": 1}
    return (
        ("WatchConversation", chat_pb2.WatchConversationRequest(**cursor)),
        ("Converse", chat_pb2.ConverseRequest(open=chat_pb2.OpenConversation(**cursor))),
        ("SendMessage", chat_pb2.SendMessageRequest(message=chat_pb2.UserMessage(text="three"), **cursor)),
    )


async def test_52_every_stream_says_where_events_begin(ana: Client, swept: str) -> None:
    for method, request in requests(swept):
        refusal = (await call_as(ana, find(CHAT + method), request)).refusal
        assert refusal is not None, method
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CURSOR_EXPIRED"), method
        info = refusal.detail(error_details_pb2.ErrorInfo)
        assert info is not None
        assert info.metadata["earliest_sequence"] == "4", method


async def test_a_client_goes_on_where_events_begin_and_reads_the_messages(
    server: Server, ana: Client, swept: str
) -> None:
    async with DeskwireClient(server.address, token=ana.token, tls=False) as client:
        talk = client.conversation(swept)
        seen = []
        async for event in talk.watch(after_sequence=1):
            seen.append(event)
            if isinstance(event, Completed):
                break
        told = [event for event in seen if not isinstance(event, Status)]
        assert isinstance(told[0], Missed)
        assert told[0].resumed_after == 3
        assert [event.sequence for event in told if event.sequence] == [4, 5, 6]
        assert [message.text async for message in talk.messages()][::2] == ["one", "two"]
