"""Answers made anew stay whole and single whatever happens to the connection, over both kinds of streams."""

from __future__ import annotations

import pytest

from deskwire_client import Completed, DeskwireClient, Event, RegenerationAccepted, Started, TextDelta
from tests.support.fake_deskwire import Cut, FakeDeskwire, How

ANSWER = "Click **Reset** on the sign-in page [1]."
HOWS: list[How] = ["unavailable", "reset", "unknown", "end", "go_away"]


def check_whole(events: list[Event]) -> None:
    kinds = [type(event) for event in events]
    for kind in (RegenerationAccepted, Started, Completed):
        assert kinds.count(kind) == 1
    assert (kinds[0], kinds[-1]) == (RegenerationAccepted, Completed)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == ANSWER


@pytest.mark.parametrize("place", [1, 2, 4, 6])
@pytest.mark.parametrize("how", HOWS)
async def test_a_cut_stream_is_resumed(server: FakeDeskwire, client: DeskwireClient, how: How, place: int) -> None:
    talk = client.conversation(session="s")
    first = await talk.ask("How?")
    server.cuts.append(Cut(place, how, runs_on=2))
    answer = talk.regenerate(first.id)
    check_whole([event async for event in answer])
    assert server.count("RegenerateAnswer") == 2
    again = server.calls[-1][1]
    assert (again.request_id, again.message_id) == (answer.request_id, first.id)
    assert again.HasField("after_sequence") == (place > 1)


async def test_a_cut_chat_asks_again_for_what_was_not_accepted(server: FakeDeskwire, client: DeskwireClient) -> None:
    server.cuts += [Cut(8), Cut(1)]
    async with client.converse(session="s") as chat:
        first = await chat.send("How?").message()
        check_whole([event async for event in chat.regenerate(first.id)])
    asked = {request.regenerate.request_id for method, request in server.calls if method == "Converse.regenerate"}
    assert len(asked) == 1
