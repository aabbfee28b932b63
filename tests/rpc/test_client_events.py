"""The Python client's stream of a tenant's events against a real server, cut and resumed."""

from __future__ import annotations

import asyncio

import pytest

from deskwire_client import Accepted, Completed, DeskwireClient, StreamState, TenantEvent, TextDelta
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Server, make_settings, running_server


def client_of(server: Server, tenant: str, role: str = "service") -> DeskwireClient:
    return DeskwireClient(server.address, token=server.client(tenant=tenant, user="crm", role=role).token)


async def test_events_come_once_over_streams_that_the_server_ends(
    postgres: TestPostgres, provider: ScriptedProvider, tenant: str
) -> None:
    states: list[StreamState] = []
    cursors: list[str] = []
    settings = make_settings(postgres, stream_max_duration=0.3)
    async with running_server(settings, provider=provider) as server, client_of(server, tenant) as client:
        for _ in range(2):
            await client.ask("Hi")
        found: list[TenantEvent] = []
        events = client.watch_events(from_beginning=True, state=states.append, on_cursor=cursors.append)
        async with asyncio.timeout(20):
            async for event in events:
                found.append(event)
                if len(found) == 6:
                    asking = asyncio.create_task(_ask_later(client, states))
                if len(found) == 9:
                    break
        await asking
        await events.aclose()
    assert [each.event.sequence for each in found] == [1, 2, 3] * 3
    assert {each.user_id for each in found} == {"crm"}
    assert states.count(StreamState.RECONNECTING) >= 1
    assert found[-1].cursor in cursors


async def _ask_later(client: DeskwireClient, states: list[StreamState]) -> None:
    while StreamState.RECONNECTING not in states:
        await asyncio.sleep(0.02)
    await client.ask("Hi again")


async def test_chosen_events_behind_a_cursor(server: Server, tenant: str) -> None:
    async with client_of(server, tenant) as client:
        for text in ("one", "two"):
            await client.ask(text)
        async with asyncio.timeout(20):
            first = await anext(client.watch_events(from_beginning=True, kinds=[Completed]))
            second = await anext(client.watch_events(cursor=first.cursor, kinds=[Accepted]))
        assert isinstance(first.event, Completed)
        assert isinstance(second.event, Accepted)
        assert second.event.message.text == "two"
        with pytest.raises(ValueError, match="TextDelta"):
            client.watch_events(kinds=[TextDelta])
