"""Cutting server-sent events."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskwire_server.llm.sse import EventParser, EventTooLargeError


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\n", [b"a"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"event: x\nid: 1\nretry: 3\ndata: a\n\n", [b"a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data\ndata:\n\n", [b""]),
        (b": comment\n\n\n\ndata: a\n\n", [b"a"]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"database: a\n\n", []),
        (b"", []),
    ],
)
def test_events(stream: bytes, events: list[bytes]) -> None:
    assert EventParser().feed(stream) == events


@pytest.mark.parametrize("place", range(19))
def test_a_crlf_may_come_in_two_halves(place: int) -> None:
    stream = b"data: a\r\n\r\ndata: b\r\n\r\n"
    parser = EventParser()
    assert [*parser.feed(stream[:place]), *parser.feed(stream[place:])] == [b"a", b"b"]


@settings(max_examples=200, deadline=None)
@given(
    payloads=st.lists(
        st.binary(min_size=1).filter(lambda value: b"\n" not in value and b"\r" not in value), max_size=8
    ),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_borders_of_chunks_mean_nothing(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(b"data: " + payload + b"\n\n" for payload in payloads)
    parser = EventParser()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    events = [event for a, b in itertools.pairwise(places) for event in parser.feed(stream[a:b])]
    assert events == payloads


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * 200],
        [b"data: " + b"x" * 200 + b"\n\n"],
        [b"data: "] + [b"x" * 10] * 20,
        [b"data: " + b"x" * 30 + b"\n"] * 5,
        [b": " + b"x" * 200],
    ],
)
def test_an_event_without_end_is_given_up(pieces: list[bytes]) -> None:
    parser = EventParser(limit=100)
    with pytest.raises(EventTooLargeError):
        [parser.feed(piece) for piece in pieces]


def test_the_limit_is_for_one_event_not_for_the_stream() -> None:
    parser = EventParser(limit=100)
    for _ in range(50):
        assert parser.feed(b"data: " + b"x" * 60 + b"\n\n") == [b"x" * 60]
