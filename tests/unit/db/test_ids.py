"""Ids that sort by time."""

from __future__ import annotations

import threading
import time
from uuid import RFC_4122, UUID

import pytest

from deskwire_server.errors import InvalidArgument
from deskwire_server.ids import parse, uuid7


def test_layout_of_the_standard() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid7() for _ in range(1_000)]
    after = time.time_ns() // 1_000_000 + 1
    for each in made:
        assert (each.version, each.variant) == (7, RFC_4122)
        assert before <= each.int >> 80 <= after
    assert len({each.int & ((1 << 62) - 1) for each in made}) == len(made), "the rest is random"


def test_later_ids_are_greater() -> None:
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_also_when_the_clock_stands_or_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = uuid7()
    moments = iter([0, *[10**18] * 5, 5])
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))
    made = [first, *(uuid7() for _ in range(7))]
    assert made == sorted(made)


def test_threads_never_get_the_same() -> None:
    made: list[UUID] = []
    threads = [threading.Thread(target=lambda: made.extend(uuid7() for _ in range(2_000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8_000


def test_reading_an_id() -> None:
    made = uuid7()
    assert parse(str(made), "id") == made
    with pytest.raises(InvalidArgument) as refused:
        parse("42", "article.id")
    assert refused.value.violations[0].field == "article.id"
