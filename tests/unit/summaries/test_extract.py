"""Titles and summaries without a model."""

from __future__ import annotations

from uuid import UUID

import pytest

from deskwire_server.summaries.extract import LONGEST_SUMMARY, LONGEST_TITLE, summary_of, title_of
from deskwire_server.summaries.models import Exchange


def said(question: str, answer: str = "") -> Exchange:
    return Exchange(UUID(int=1), question, answer)


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("How do I reset my password?", "Reset my password"),
        ("Hi there! Can you please tell me how to export invoices as PDF?", "Export invoices as PDF"),
        ("What is the refund policy?", "Refund policy"),
        ("Why was I charged twice?", "Why was I charged twice"),
        ("Good morning, I need to change the billing address. It is urgent!", "Change the billing address"),
        ("where can I find my API keys", "Find my API keys"),
        ("Guten Tag, wie kann ich meine Rechnung herunterladen?", "Meine Rechnung herunterladen"),
        ("Comment puis-je changer mon mot de passe ?", "Changer mon mot de passe"),
        ("¿Cómo puedo cancelar mi suscripción?", "Cancelar mi suscripción"),
        ("パスワードをリセットするには？", "パスワードをリセットするには？"),
        ("E-4012", "E-4012"),
        ("how", ""),
        ("Hello!", ""),
        ("", ""),
        ("Thanks a lot 👍", ""),
    ],
)
def test_a_title_is_the_matter_of_the_first_question(question: str, title: str) -> None:
    assert title_of([question]).rstrip("？") == title.rstrip("？")


def test_small_talk_is_passed_over() -> None:
    assert title_of(["Hi", "How are you?", "Where is my invoice of May?"]) == "Invoice of May"


def test_titles_are_cut_at_a_word() -> None:
    title = title_of(["How do I " + "migrate everything " * 10 + "?"])
    assert len(title) <= LONGEST_TITLE
    assert title.endswith("…")
    assert len(title_of(["x" * 500])) == LONGEST_TITLE


def test_a_summary_has_a_line_for_each_question_and_leaves_out_small_talk() -> None:
    summary = summary_of(
        "",
        [
            said("Hello!", "Hello! How can I help?"),
            said("How do I export?", "Open **Billing** and choose *Export* [1][2]. Then wait. It takes a minute."),
            said("And as PDF?"),
            said("", "An agent joined."),
        ],
    )
    assert summary == ("- How do I export? → Open Billing and choose Export.\n- And as PDF?\n- An agent joined.")


def test_a_summary_goes_on_from_the_one_before() -> None:
    first = summary_of("", [said("How do I export?", "Open Billing.")])
    assert summary_of(first, [said("And as PDF?", "Choose PDF.")]) == first + "\n- And as PDF? → Choose PDF."


def test_a_summary_is_bounded_and_old_lines_give_way() -> None:
    summary = ""
    for number in range(60):
        summary = summary_of(summary, [said(f"Question {number} about the export?", "Open Billing. " * 20)])
        assert len(summary) <= LONGEST_SUMMARY
    assert "Question 59" in summary
    assert "Question 0 " not in summary
    long_prose = summary_of("word " * 1_000, [said("Question?", "Answer.")] * 30)
    assert len(long_prose) <= LONGEST_SUMMARY
    assert long_prose.startswith("word")


def test_nothing_said_gives_nothing() -> None:
    assert summary_of("", []) == ""
