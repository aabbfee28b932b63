"""Clauses of messages, kinds of problems, and groups of questions."""

from __future__ import annotations

import numpy as np
import pytest

from deskwire_server.intents import clusters, issues
from deskwire_server.intents.clauses import split


@pytest.mark.parametrize(
    ("message", "clauses"),
    [
        ("Hello", ["Hello"]),
        ("", [""]),
        ("I want a refund. Where is my card?", ["I want a refund.", "Where is my card?"]),
        ("Cancel my plan and send me the invoice", ["Cancel my plan", "send me the invoice"]),
        ("Black and white", ["Black and white"]),
        ("Hi. I want a refund. Thanks!", ["Hi. I want a refund. Thanks!"]),
        ("Wo ist meine Karte und wie ändere ich die PIN?", ["Wo ist meine Karte", "wie ändere ich die PIN?"]),
    ],
)
def test_clauses(message: str, clauses: list[str]) -> None:
    found = split(message)
    assert [clause.text for clause in found] == clauses
    assert all(message[clause.start : clause.end] == clause.text for clause in found)


def test_long_messages_have_few_clauses() -> None:
    assert len(split("This is one sentence. " * 500)) == 6


@pytest.mark.parametrize(
    ("message", "category"),
    [
        ("I'm having trouble with my Google Ads integration", "connection_problem"),
        ("I can't log in, the password is wrong", "authentication_problem"),
        ("My card was declined", "payment_problem"),
        ("The page is broken", "software_problem"),
        ("How do I connect Shopify?", None),
        ("Thanks, all is well", None),
    ],
)
def test_kinds_of_problems(message: str, category: str | None) -> None:
    found = issues.find(message)
    assert (found.category if found is not None else None) == category
    assert found is None or found.actions


def test_groups_are_found_without_their_number() -> None:
    random = np.random.default_rng(0)
    middles = np.eye(3, 24)
    rows = np.vstack([middles[index] + 0.08 * random.normal(size=(size, 24)) for index, size in enumerate((12, 7, 1))])
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    groups = clusters.group(vectors)
    assert [len(group) for group in groups] == [12, 7, 1]
    assert sorted(index for group in groups for index in group) == list(range(20))
    assert clusters.group(vectors[:0]) == []
    assert set(clusters.central(vectors[groups[1]])) == set(range(7))
