"""Ranking by words over postings."""

from __future__ import annotations

import struct

from deskwire_server.knowledge.lexical import Postings, best, proposing


def _postings(term: str, block: int, *entries: tuple[int, int, int]) -> Postings:
    """Of (number, frequency, length in words by four) each."""
    return Postings(
        term,
        block,
        b"".join(struct.pack(">H", number) for number, _, _ in entries),
        bytes(frequency for _, frequency, _ in entries),
        bytes(length for _, _, length in entries),
    )


def test_rarer_more_frequent_and_shorter_count_more() -> None:
    found = [
        _postings("rare", 0, (3, 1, 20), (4, 3, 20)),
        _postings("common", 0, (3, 1, 20), (5, 1, 20), (6, 1, 60)),
        _postings("rare", 2, (511, 1, 20)),
    ]
    assert best(found, {"rare": 3.0, "common": 1.0}, 80.0, 10) == [4, 3, 2 * 512 + 511, 5, 6]


def test_as_many_as_are_wanted_and_only_those_that_may_be_found() -> None:
    found = [_postings("word", 0, *((number, 1 + number % 7, 20) for number in range(400)))]
    ten = best(found, {"word": 1.0}, 80.0, 10)
    assert len(ten) == 10
    assert all(number % 7 == 6 for number in ten)
    assert best(found, {"word": 1.0}, 80.0, 10, among=[1, 6, 9_999]) == [6, 1]
    assert best([], {"word": 1.0}, 80.0, 10) == []


def test_the_rarest_propose_and_one_does_in_any_case() -> None:
    occurrences = {"rare": 10, "usual": 30_000, "common": 35_000, "everywhere": 90_000}
    assert proposing(dict.fromkeys(occurrences, 1.0), occurrences) == ["rare", "usual"]
    assert proposing({"everywhere": 1.0}, occurrences) == ["everywhere"]
    assert proposing({}, occurrences) == []
