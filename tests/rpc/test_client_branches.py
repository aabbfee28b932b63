"""The Python client on a running server: questions edited, answers made anew, branches, history."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deskwire_client import Completed, ConversationOwner, DeskwireClient, NotFoundError, RegenerationAccepted
from tests.rpc.requests import NEVER
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server


@pytest.fixture
async def client(server: Server, ana: Client) -> AsyncIterator[DeskwireClient]:
    async with DeskwireClient(server.address, token=ana.token, tls=False) as made:
        yield made


async def test_a_conversation_with_branches(client: DeskwireClient, provider: ScriptedProvider) -> None:
    talk = client.conversation(session="s")
    with pytest.raises(ValueError, match="nothing was said"):
        talk.regenerate(NEVER)
    first = await talk.ask("one")
    provider.pieces = ("Anew.",)
    answer = talk.regenerate(first.id, request_id="again")
    events = [event async for event in answer]
    assert isinstance(events[0], RegenerationAccepted)
    assert answer.turn_id == events[0].turn_id
    assert events[0].request_id == "again"
    assert isinstance(events[-1], Completed)
    assert (await talk.regenerate(first.id, request_id="again").message()).id == events[-1].message.id
    question, anew = [message async for message in talk.messages()]
    assert (anew.text, anew.alternative_message_ids) == ("Anew.", (first.id, anew.id))
    await talk.ask("uno", replaces_message_id=question.id)
    assert [message.text async for message in talk.messages()] == ["uno", "Anew."]
    assert len([message async for message in talk.messages(all_branches=True)]) == 5

    selected = await talk.select_branch(question.id)
    assert selected.head_message_id == anew.id
    assert (selected.owner, selected.owner_token, selected.earliest_sequence) == (ConversationOwner.BOT, 1, 1)
    with pytest.raises(NotFoundError):
        await talk.select_branch(NEVER)
    entries = [entry async for entry in client.conversations.history(page_size=1)]
    assert [entry.question.text for entry in entries] == ["uno", "one", "one"]
    assert entries[-1].answer is not None
    assert entries[-1].answer.id == first.id


async def test_a_chat_with_branches(client: DeskwireClient, provider: ScriptedProvider) -> None:
    async with client.converse(session="s") as chat:
        first = await chat.send("one").message()
        anew = await chat.regenerate(first.id).message()
        assert anew.parent_message_id == first.parent_message_id
        edited = await chat.send("uno", replaces_message_id=first.parent_message_id).message()
    assert [message.id async for message in client.conversation(session="s").messages()][-1] == edited.id
    assert [request.messages[-1].content for request in provider.requests] == ["one", "one", "uno"]
