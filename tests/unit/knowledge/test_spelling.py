"""Slips are corrected towards the tenant's words; names and other languages are left alone."""

from __future__ import annotations

import pytest

from deskwire_server.knowledge.spelling import corrected, correction, slips
from deskwire_server.knowledge.text import stem
from deskwire_server.understanding.language import detect_language

TENANT = {"subscription": 20, "monthly": 9, "dashboard": 30, "studio": 4, "looker": 4, "connector": 3, "package": 2}
STEMS = {stem(word): count for word, count in TENANT.items()}


def _correct(question: str) -> str:
    found = {}
    for slip in slips(question, detect_language(question, default=""), STEMS):
        meant = correction(slip, {word: count for word, count in TENANT.items() if word[0] == slip.word[0]})
        if meant is not None:
            found[slip.word] = meant
    return corrected(question, found)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("how do i pay my subsciption montly", "how do i pay my subscription monthly"),
        (
            "whcih pakage do i need for the looker studo conector",
            "which package do i need for the looker studio connector",
        ),
        ("where is the dashbord", "where is the dashboard"),
        ("what does the dashboard show", "what does the dashboard show"),
        ("can I connect Zapier and Fathom to the dashboard", "can I connect Zapier and Fathom to the dashboard"),
        ("open app.exmaple.com/dashbord now please", "open app.exmaple.com/dashbord now please"),
        ("Wie bezahle ich mein Abonnement für das Dashboard", "Wie bezahle ich mein Abonnement für das Dashboard"),
        ("xqzt vrrk", "xqzt vrrk"),
    ],
)
def test_correction(question: str, expected: str) -> None:
    assert _correct(question) == expected
