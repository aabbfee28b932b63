"""Quotations read well: lead-ins with what they announce, steps in order, definitions first, nothing far or shouted."""

from __future__ import annotations

import pytest

from deskwire_server.llm.builtin import BuiltinProvider
from deskwire_server.llm.port import ChatMessage, CompletionRequest, Finished, Passage, TextChunk


def passage(number: int, title: str, text: str, *headings: str, relevance: float = 0.7) -> Passage:
    return Passage(number, f"a{number}", f"c{number}", title, headings, f"{number}.md", "", text, relevance)


async def answer(text: str, *passages: Passage) -> tuple[str, Finished]:
    request = CompletionRequest((ChatMessage("user", text),), passages)
    events = [event async for event in BuiltinProvider().stream(request)]
    finished = events[-1]
    assert isinstance(finished, Finished)
    return "".join(event.text for event in events if isinstance(event, TextChunk)), finished


async def test_a_list_comes_with_the_sentence_that_announces_it() -> None:
    text, _ = await answer(
        "How do I verify my domain?",
        passage(
            1, "Verify your domain", "To verify your domain you can either:\n\n- Add a TXT record.\n- Upload a file."
        ),
    )
    assert text == "To verify your domain you can either: [1]\n\n- Add a TXT record. [1]\n- Upload a file. [1]"


async def test_a_sentence_that_announces_what_is_left_out_stays_out() -> None:
    code = "\n".join(f"line {number} of a long file" for number in range(20))
    text, _ = await answer(
        "When is my domain verified?",
        passage(
            1,
            "Verify your domain",
            f"Your domain is verified within a day. A verified domain looks like this:\n\n```\n{code}\n```",
        ),
    )
    assert text == "Your domain is verified within a day. [1]"


async def test_items_within_a_step_stay_with_it() -> None:
    steps = (
        "1. Open **Domains** to verify your domain.\n2. From there you can either:\n   - Add a TXT record.\n"
        "   - Upload a file.\n3. Click **Verify domain**."
    )
    text, _ = await answer("How do I verify my domain?", passage(1, "Verify your domain", steps))
    assert text.endswith(
        "1. Open **Domains** to verify your domain. [1]\n2. From there you can either: [1]\n"
        "   - Add a TXT record. [1]\n   - Upload a file. [1]\n3. Click **Verify domain**. [1]"
    )


async def test_a_long_step_keeps_its_place() -> None:
    long = "Click **Verify domain**. " + "The records of a domain take a while to be known everywhere. " * 6
    steps = f"1. Open **Domains**.\n2. {long}\n3. Reload the page."
    text, _ = await answer("How do I verify my domain?", passage(1, "Verify your domain", steps))
    places = [text.index(part) for part in ("1. Open", "2. Click **Verify domain**.", "3. Reload")]
    assert places == sorted(places)


async def test_sentences_keep_the_order_of_their_passage() -> None:
    text, _ = await answer(
        "How do I verify my domain?",
        passage(
            1, "Domains", "Open the domain that is yours first. Then verify your domain by a record, as you do it."
        ),
    )
    assert text.index("Open the domain") < text.index("Then verify")


async def test_a_passage_of_hardly_any_relevance_is_not_quoted() -> None:
    text, finished = await answer(
        "How do I cancel my subscription?",
        passage(1, "Cancel", "You cancel your subscription under **Billing**.", relevance=0.9),
        passage(2, "Cancel a subscription to reports", "Cancel your subscription to reports there.", relevance=0.01),
        passage(3, "Add a seat", "Seats are added here.", "Add a seat to your plan", relevance=0.0),
    )
    assert "[1]" in text
    assert "[2]" not in text
    assert finished.follow_ups == ()


async def test_a_bare_heading_is_no_sentence() -> None:
    text, _ = await answer(
        "How do I downgrade?",
        passage(1, "Plans", "- **Downgrade**\n\n  You downgrade your plan under **Billing** at any time."),
    )
    assert "Downgrade**." not in text
    assert "You downgrade your plan" in text


async def test_code_stays_out_unless_it_is_asked_for() -> None:
    one = passage(1, "Events", "An event is kept for a year. It is sent like this:\n\n```\nsend('event')\n```")
    text, _ = await answer("Where is an event kept?", one)
    assert "```" not in text
    assert "like this" not in text
    text, _ = await answer("Which snippet sends an event?", one)
    assert "send('event')" in text


async def test_a_verification_code_is_no_code() -> None:
    one = passage(1, "Codes", "The verification code is e-mailed at once.\n\n```\nverification_code = 1\n```")
    text, _ = await answer("Where is my verification code?", one)
    assert "```" not in text


async def test_a_licence_is_quoted_last() -> None:
    licence = (
        "You may charge any price for what it costs to convey a copy of a covered work under this License.\n\n"
        "THE PROGRAM COSTS YOU WHAT IT COSTS AND IS PROVIDED WITHOUT WARRANTY OF ANY KIND."
    )
    plans = passage(2, "Plans", "The smallest plan costs 9 € a month.", relevance=0.5)
    text, _ = await answer("How much does it cost?", passage(1, "LICENSE", licence, relevance=0.6), plans)
    assert text.startswith("The smallest plan costs 9 € a month. [2]")
    assert "[1]" not in text
    text, _ = await answer("Which license is the program under?", passage(1, "LICENSE", licence), plans)
    assert "this License" in text


@pytest.mark.parametrize(
    ("body", "headings", "start"),
    [
        ("A high bounce rate is no fault. Bounce rate is the share of visits with one page.", (), "Bounce rate is the"),
        (
            "- **Bounce rate**: the share of visits with one page.\n- **Visits**: all of them.",
            (),
            "**Bounce rate**: the",
        ),
        ("The share of visits with one page. A bounce rate may be high.", ("Bounce rate",), "The share of visits"),
    ],
)
async def test_a_definition_comes_first(body: str, headings: tuple[str, ...], start: str) -> None:
    other = passage(2, "Bounces", "Your bounce rate may be high on landing pages, what is usual for a bounce rate.")
    text, _ = await answer("what is bounce rate?", other, passage(1, "Metrics", body, *headings))
    assert text.startswith(start)


async def test_tags_in_code_are_kept() -> None:
    text, _ = await answer(
        "Where do I place the script?",
        passage(1, "Script", "Place the script within the `<head>` of <b>your</b> page."),
    )
    assert text == "Place the script within the `<head>` of your page. [1]"


async def test_other_languages_are_not_offered_english_titles() -> None:
    text, finished = await answer(
        "Wie kann ich mein Abo kündigen?",
        passage(1, "Abo kündigen", "Du kannst dein Abo unter **Abrechnung** kündigen.", relevance=0.9),
        passage(2, "Change the payment method", "We accept cards.", relevance=0.6),
        passage(3, "Wie lade ich eine Rechnung herunter?", "Unter Rechnungen.", relevance=0.6),
    )
    assert "[1]" in text
    assert finished.follow_ups == ("Wie lade ich eine Rechnung herunter?",)
