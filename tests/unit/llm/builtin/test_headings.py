"""Headings become the questions that a user might ask, or none."""

from __future__ import annotations

import pytest

from deskwire_server.llm.builtin.headings import as_question


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("Change the payment method", "How do I change the payment method?"),
        ("How to cancel your subscription", "How do I cancel my subscription?"),
        ("Managing your subscription", "How do I manage my subscription?"),
        ("Invite team members and assign roles", "How do I invite team members and assign roles?"),
        ("Inviting members and assigning roles", "How do I invite members and assign roles?"),
        ("Setting up a proxy", "How do I set up a proxy?"),
        ("Upgrade, downgrade or switch to yearly payment", "How do I upgrade, downgrade or switch to yearly payment?"),
        ("Import stats from Google Analytics", "How do I import stats from Google Analytics?"),
        ("Where data is stored", "Where is data stored?"),
        ("How usage is calculated", "How is usage calculated?"),
        ("How long data is kept", "How long is data kept?"),
        ("How two-factor authentication works", "How does two-factor authentication work?"),
        ("Why can't editors see billing?", "Why can't editors see billing?"),
        ("what happens if I exceed my limit", "What happens if I exceed my limit?"),
        ("Numbers are off. Do I need to upgrade?", "Numbers are off. Do I need to upgrade?"),
    ],
)
def test_what_makes_a_natural_question(heading: str, question: str) -> None:
    assert as_question(heading, "en") == question


@pytest.mark.parametrize(
    "heading",
    [
        "Request structure",
        "Filter options",
        "Report recipients",
        "Metrics definitions",
        "Annotations",
        "What each plan adds",
        "When your server is down",
        "When alternatives are enough",
        "How it works",
        "How does it work?",
        "Download once",
        "Access and permissions",
        "Fewer visitors than pageviews?",
        "Add-on prices",
        "Tracking",
    ],
)
def test_what_makes_none(heading: str) -> None:
    assert as_question(heading, "en") is None


@pytest.mark.parametrize(
    ("heading", "language", "question"),
    [
        ("Change the payment method", "de", None),
        ("Why can't editors see billing?", "fr", None),
        ("Rechnung herunterladen", "en", None),
        ("Wie lade ich eine Rechnung herunter?", "en", None),
        ("Wie lade ich eine Rechnung herunter?", "de", "Wie lade ich eine Rechnung herunter?"),
        ("Comment annuler mon abonnement ?", "fr", "Comment annuler mon abonnement ?"),
        ("¿Cómo cambio mi plan?", "es", "¿Cómo cambio mi plan?"),
    ],
)
def test_a_heading_stays_in_its_language(heading: str, language: str, question: str | None) -> None:
    assert as_question(heading, language) == question
