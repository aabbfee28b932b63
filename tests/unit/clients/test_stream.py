"""Answers stay whole and single whatever happens to the connection."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import pytest

from deskwire_client import (
    Accepted,
    AnswerCancelledError,
    AnswerFailedError,
    Cancelled,
    Citations,
    Completed,
    DeskwireClient,
    Event,
    Failed,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    RetryPolicy,
    Started,
    StreamState,
    TextDelta,
    UnavailableError,
    WhileAnswering,
)
from tests.support.fake_deskwire import Cut, FakeDeskwire, How, Script
from tests.unit.clients.conftest import FAST

ANSWER = "Click **Reset** on the sign-in page [1]."
EVENTS_OF_A_STREAM = 8
"""Status, accepted, started, three deltas, citations, completed."""
HOWS: list[How] = ["unavailable", "reset", "unknown", "end", "go_away", "limited"]
# A quota that refuses the question itself, before it was accepted, is the caller's to handle.
BREAKS = [(how, n) for how in HOWS for n in range(EVENTS_OF_A_STREAM) if how != "limited" or n > 1]


def text_of(events: list[Event]) -> str:
    """What a reader would have on the screen: deltas of the last attempt, each where it says that it belongs."""
    text = ""
    for event in events:
        if isinstance(event, Started):
            text = ""
        if isinstance(event, TextDelta):
            assert event.offset == len(text)
            text += event.text
    return text


def check_whole(events: list[Event]) -> None:
    """Every part of the answer came exactly once and in order."""
    kinds = [type(event) for event in events if not isinstance(event, TextDelta | Citations)]
    assert kinds[0] is Accepted
    assert kinds[-1] is Completed
    assert kinds.count(Accepted) == kinds.count(Completed) == 1
    durable = [event.sequence for event in events if event.sequence]
    assert durable == sorted(set(durable))
    assert text_of(events) == ANSWER


async def test_an_answer_arrives_in_order(client: DeskwireClient) -> None:
    """Accepted, started, text, citations, completed."""
    conversation = client.conversation()
    events = [event async for event in conversation.send("How do I reset my password?")]
    assert [type(event) for event in events] == [
        Accepted,
        Started,
        TextDelta,
        TextDelta,
        TextDelta,
        Citations,
        Completed,
    ]
    check_whole(events)
    completed = events[-1]
    assert isinstance(completed, Completed)
    assert completed.message.citations[0].source_path == "account/sign-in.md"
    assert completed.message.answer is not None
    assert completed.message.answer.usage.total_tokens == 15
    assert conversation.id == completed.conversation_id


@pytest.mark.parametrize(("how", "after"), BREAKS)
@pytest.mark.parametrize("runs_on", [0, 2, 20])
async def test_a_cut_at_any_event_is_not_noticed(
    server: FakeDeskwire, client: DeskwireClient, how: How, after: int, runs_on: int
) -> None:
    """Whether the turn stood still, went on or ended meanwhile."""
    server.cuts.append(Cut(after, how, runs_on))
    check_whole([event async for event in client.conversation().send("How?")])
    assert len(server.turns) == 1
    assert server.count("SendMessage") == 2


async def test_cuts_at_every_event_in_a_row(server: FakeDeskwire, client: DeskwireClient) -> None:
    """Each stream breaks one event further than the last; the question is asked once."""
    server.cuts.extend(Cut(after) for after in range(EVENTS_OF_A_STREAM))
    check_whole([event async for event in client.conversation().send("How?")])
    assert len(server.turns) == 1
    assert len(server.talks) == 1


async def test_the_body_stays_the_same_when_sent_again(server: FakeDeskwire, client: DeskwireClient) -> None:
    """A request id belongs to one body, so target and text must not change on the way."""
    server.cuts.extend([Cut(3), Cut(4)])
    conversation = client.conversation(new={"title": "Password"})
    check_whole([event async for event in conversation.send("How?")])
    requests = [request for name, request in server.calls if name == "SendMessage"]
    assert len({request.message.SerializeToString() for request in requests}) == 1
    assert {request.WhichOneof("target") for request in requests} == {"new_conversation"}
    assert [request.HasField("after_sequence") for request in requests] == [False, True, True]
    await conversation.ask("And then?")
    assert server.calls[-1][1].conversation_id == conversation.id


@pytest.mark.parametrize("after", range(1, 11))
async def test_a_new_attempt_replaces_the_text(server: FakeDeskwire, client: DeskwireClient, after: int) -> None:
    """Even when the stream breaks around the change."""
    server.script = Script(attempts=(("Wrong ", "half"), ("Click **Reset** ", "on the sign-in page [1].")))
    server.cuts.append(Cut(after, runs_on=1))
    events = [event async for event in client.conversation().send("How?")]
    check_whole(events)
    attempts = [event.attempt for event in events if isinstance(event, Started)]
    assert attempts == sorted(set(attempts))
    assert attempts[-1] == 2


async def test_text_is_counted_in_code_points(server: FakeDeskwire, client: DeskwireClient) -> None:
    """Emoji and combining marks included."""
    server.script = Script(attempts=(("Grüße 👩‍👩‍👧 ", "an 𝒜lle", " é."),))
    server.cuts.extend([Cut(4), Cut(3)])
    events = [event async for event in client.conversation().send("Wie?")]
    assert text_of(events) == "Grüße 👩‍👩‍👧 an 𝒜lle é."


async def test_states_are_told(server: FakeDeskwire, client: DeskwireClient) -> None:
    """A program can show that it reconnects."""
    states: list[StreamState] = []
    server.cuts.append(Cut(4))
    await client.conversation(state=states.append).ask("How?")
    assert states == ["connecting", "connected", "reconnecting", "connected", "closed"]


async def test_a_silent_connection_is_left(server: FakeDeskwire) -> None:
    """A frozen peer sends no heartbeats."""
    server.cuts.append(Cut(4, "silent"))
    async with DeskwireClient(server.address, retry=FAST, stream_idle_timeout=0.1) as client:
        check_whole([event async for event in client.conversation().send("How?")])


async def test_a_server_that_is_started_again_is_found(server: FakeDeskwire, client: DeskwireClient) -> None:
    """Stopped in mid-answer, started a little later on the same port."""
    server.cuts.append(Cut(4, "silent"))
    port = int(server.address.rpartition(":")[2])
    arrived = asyncio.Event()
    events = []

    async def read() -> None:
        async for event in client.conversation().send("How?"):
            events.append(event)
            if isinstance(event, TextDelta):
                arrived.set()

    reading = asyncio.create_task(read())
    await arrived.wait()
    await server.stop()
    await asyncio.sleep(0.05)
    await server.start(port)
    await reading
    check_whole(events)


async def test_giving_up_raises_what_is_wrong(server: FakeDeskwire) -> None:
    """After the time of the policy, not never."""
    server.cuts.extend(Cut(1) for _ in range(1000))
    policy = RetryPolicy(initial_delay=0.01, max_delay=0.02, call_for=0.1, resume_for=0.1)
    async with DeskwireClient(server.address, retry=policy) as client:
        with pytest.raises(UnavailableError):
            await client.conversation().ask("How?")


async def test_nobody_there(unused_tcp_port: int) -> None:
    """A refused connection is repeated for a short time only."""
    policy = RetryPolicy(initial_delay=0.01, call_for=0.1)
    async with DeskwireClient(f"127.0.0.1:{unused_tcp_port}", retry=policy) as client:
        with pytest.raises(UnavailableError):
            await client.conversation().ask("How?")
        with pytest.raises(UnavailableError):
            await client.search("x")


async def test_a_failed_turn(server: FakeDeskwire, client: DeskwireClient) -> None:
    """Is an event in the stream and an error of `ask`, with what had been written."""
    server.script = Script(ending="failed")
    events = [event async for event in client.conversation().send("How?")]
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.retryable) == ("PROVIDER_UNAVAILABLE", True)
    with pytest.raises(AnswerFailedError, match="No provider") as caught:
        await client.ask("How?")
    assert caught.value.partial_message is not None
    assert server.count("SendMessage") == 2


async def test_a_cancelled_turn(server: FakeDeskwire, client: DeskwireClient) -> None:
    """Likewise."""
    server.script = Script(ending="cancelled")
    events = [event async for event in client.conversation().send("How?")]
    assert isinstance(events[-1], Cancelled)
    with pytest.raises(AnswerCancelledError):
        await client.ask("How?")


async def test_refusals_are_typed_and_not_repeated(server: FakeDeskwire, client: DeskwireClient) -> None:
    """With reason, metadata and fields."""
    violation = ("message.text", "must be at most 8000 characters", "string.max_len")
    server.refusals.append((grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", {"violations": [violation]}))
    with pytest.raises(InvalidArgumentError) as caught:
        await client.ask("x" * 9000)
    assert caught.value.violations[0].field == "message.text"
    assert caught.value.violations[0].rule == "string.max_len"
    with pytest.raises(NotFoundError) as missing:
        await client.conversation("0199b6f4-0000-7000-8000-000000000000").ask("How?")
    assert missing.value.metadata == {"resource": "conversation"}
    assert server.count("SendMessage") == 2


async def test_the_same_request_id_joins_the_turn(server: FakeDeskwire, client: DeskwireClient) -> None:
    """And with another text it is refused."""
    conversation = client.conversation(session="s-1")
    first = await conversation.ask("How?", request_id="r-1")
    again = await conversation.ask("How?", request_id="r-1", while_answering=None)
    assert first.id == again.id
    with pytest.raises(FailedPreconditionError) as caught:
        await conversation.ask("What?", request_id="r-1", while_answering=WhileAnswering.QUEUE)
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_leaving_the_loop_ends_the_call_and_not_the_turn(server: FakeDeskwire, client: DeskwireClient) -> None:
    """`cancel` ends the turn, leaving does not."""
    server.cuts.append(Cut(4, "silent"))
    async with client.conversation().send("How?") as answer:
        async for event in answer:
            if isinstance(event, TextDelta):
                assert await answer.cancel()
                break
    name, request = server.calls[-1]
    assert name == "CancelTurn"
    assert request.turn_id == answer.turn_id


async def test_watching_gives_past_and_coming_events_once(server: FakeDeskwire, client: DeskwireClient) -> None:
    """Through cuts."""
    conversation = client.conversation()
    await conversation.ask("One?")
    server.cuts.extend([Cut(2), Cut(3, "end"), Cut(2)])
    seen: list[Event] = []
    async with contextlib.aclosing(conversation.watch(after_sequence=0)) as events:
        async for event in events:
            seen.append(event)
            if isinstance(event, Completed):
                if len([e for e in seen if isinstance(e, Completed)]) == 2:
                    break
                server.script = Script(attempts=(("Two.",),))
                asking = asyncio.create_task(client.conversation(conversation.id).ask("Two?"))
    await asking
    durable = [event.sequence for event in seen if event.sequence]
    assert durable == list(range(1, len(durable) + 1))
    assert [e.message.text for e in seen if isinstance(e, Completed)] == [ANSWER, "Two."]
