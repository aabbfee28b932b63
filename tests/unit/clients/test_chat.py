"""Chats over one bidirectional stream."""

from __future__ import annotations

import pytest

from deskwire_client import Completed, DeskwireClient, DeskwireError, Status, StreamState, TextDelta
from tests.support.fake_deskwire import Cut, FakeDeskwire, How
from tests.unit.clients.test_stream import ANSWER, EVENTS_OF_A_STREAM, check_whole


async def test_many_turns_over_one_stream(server: FakeDeskwire, client: DeskwireClient) -> None:
    """And a proper end."""
    async with client.converse() as chat:
        for question in ("One?", "Two?", "Three?"):
            check_whole([event async for event in chat.send(question)])
    assert server.count("Converse") == 1
    assert server.count("Converse.close") == 1
    assert len(server.talks) == 1


@pytest.mark.parametrize("how", ["unavailable", "reset", "end", "go_away"])
@pytest.mark.parametrize("after", range(EVENTS_OF_A_STREAM))
async def test_a_cut_at_any_event(server: FakeDeskwire, client: DeskwireClient, how: How, after: int) -> None:
    """The question is asked once and its answer arrives whole."""
    server.cuts.append(Cut(after, how))
    async with client.converse() as chat:
        check_whole([event async for event in chat.send("How?")])
        check_whole([event async for event in chat.send("And then?")])
    assert len(server.turns) == 2
    assert len(server.talks) <= 2  # a stream that ended before its first event may have made an empty conversation


async def test_questions_can_be_sent_before_the_last_is_answered(client: DeskwireClient) -> None:
    """They queue, and each gets its own events."""
    async with client.converse() as chat:
        answers = [chat.send(question) for question in ("One?", "Two?")]
        for answer in answers:
            check_whole([event async for event in answer])


async def test_all_events(server: FakeDeskwire, client: DeskwireClient) -> None:
    """Other devices' turns and the connection's states too."""
    server.cuts.append(Cut(3))
    states: list[StreamState] = []
    async with client.converse(state=states.append) as chat:
        chat.send("How?")
        seen = []
        async for event in chat.events():
            seen.append(event)
            if isinstance(event, Completed):
                break
    assert sum(isinstance(event, Status) for event in seen) == 2
    check_whole([event for event in seen if not isinstance(event, Status)])
    assert StreamState.RECONNECTING in states


async def test_cancel_typing_and_ping(server: FakeDeskwire, client: DeskwireClient) -> None:
    """Go over the stream, in order; a turn that is known is cancelled by a call that survives a cut."""
    async with client.converse() as chat:
        await chat.ready()
        chat.typing(True)
        chat.ping()
        answer = chat.send("How?")
        await chat.cancel()
        async for event in answer:
            if isinstance(event, TextDelta):
                await answer.cancel()
                break
        assert (await client.conversation(chat.id).ask("x")).text == ANSWER
    names = [name for name, _ in server.calls if name.startswith("Converse.")]
    assert names == ["Converse.typing", "Converse.ping", "Converse.message", "Converse.cancel", "Converse.close"]
    assert server.count("CancelTurn") == 1


async def test_a_refused_stream_tells_every_listener(server: FakeDeskwire, client: DeskwireClient) -> None:
    """Those who wait and those who come later."""
    async with client.converse("0199b6f4-0000-7000-8000-000000000000") as chat:
        with pytest.raises(DeskwireError, match="refused"):
            await chat.ready()
        with pytest.raises(DeskwireError):
            await chat.send("How?").message()


async def test_outside_of_its_context(client: DeskwireClient) -> None:
    """A chat has a task that must end."""
    with pytest.raises(RuntimeError):
        client.converse().send("How?")
