"""Articles that give differing figures for the same thing are found, and those that speak of two things are not."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

import pytest

from deskwire_server.llm.builtin import BuiltinProvider
from deskwire_server.llm.builtin.contradictions import contradicting_passages
from deskwire_server.llm.port import ChatMessage, CompletionRequest, Passage, TextChunk
from deskwire_server.llm.prompt import with_passages

CONTRADICTING = [
    (
        ("Refunds", "A refund takes 5 days to reach your card."),
        ("Refund policy", "Refunds reach your card after 14 days."),
    ),
    (("Refunds", "Refunds are paid within 14 days."), ("Refund policy", "Refunds are issued within 30 days.")),
    (
        ("Cancel", "Your data is deleted 30 days after you cancel."),
        ("Privacy", "We delete your data 90 days after you cancel."),
    ),
    (("Prices", "An extra seat costs 12 € a month."), ("Seats", "Each extra seat costs 15 € a month.")),
    (("Pricing", "The setup fee is $99."), ("Setup fee", "The setup fee is $149.")),
    (
        ("Exports", "An export link is valid for 24 hours."),
        ("Download data", "The link of an export is valid for 7 days."),
    ),
    (("Files", "Files may be up to 25 MB in size."), ("Large files", "Files may be up to 10 MB in size.")),
    (
        ("API", "You can send up to 600 requests per hour to the API."),
        ("Rate limits", "You can send up to 1,000 requests per hour to the API."),
    ),
    (
        ("Support hours", "Our support team answers the phone until 5 pm."),
        ("Contact", "Our support team answers the phone until 18:00."),
    ),
    (
        ("Sunset", "The old API is switched off on 1 March 2026."),
        ("Migrate", "The old API is switched off on June 30, 2026."),
    ),
    (("Discounts", "Charities get a discount of 20 %."), ("Discounts for charities", "Charities get 30 % discount.")),
    (("Backups", "Backups are kept for two weeks."), ("Restore backups", "We keep backups for 30 days.")),
    (("Trial", "The trial period ends after 14 days."), ("Try it", "The trial period ends after 30 days.")),
    (
        ("Sessions", "A session ends after 30 minutes of inactivity."),
        ("What a session is", "A session ends after one hour of inactivity."),
    ),
    (
        ("Funnels", "A funnel may have between 2 and 8 steps."),
        ("Build a funnel", "A funnel may have between 2 and 10 steps."),
    ),
    (
        ("Passwords", "A password needs at least 8 characters."),
        ("Secure passwords", "A password needs at least 12 characters."),
    ),
    (
        ("Reset", "The reset link expires after 15 minutes."),
        ("Forgot password", "The reset link expires after 2 hours."),
    ),
    (
        ("Webhooks", "Failed webhook deliveries are retried 5 times."),
        ("Webhook errors", "Failed webhook deliveries are retried 3 times."),
    ),
    (
        ("Notice", "The notice period of a subscription is one month."),
        ("Terms", "The notice period of a subscription is three months."),
    ),
    (
        ("Reports", "The report is sent to at most 10 recipients."),
        ("E-mail reports", "The report is sent to at most 25 recipients."),
    ),
    (
        ("Late payment", "We remind you of an unpaid bill after 7 days."),
        ("Reminders", "We remind you of an unpaid bill after 21 days."),
    ),
    (("Import", "An import takes up to 2 hours."), ("Import history", "An import takes up to 48 hours.")),
]
HARMLESS = [
    (
        ("Refunds", "A refund takes five days to reach your card."),
        ("Refunds for Pro", "A refund of the Pro plan takes one day to reach your card."),
    ),
    (("Refunds", "A refund takes 14 days."), ("Refund policy", "A refund takes two weeks.")),
    (
        ("Exports", "An export link is valid for 24 hours."),
        ("Downloads", "The link of an export is valid for one day."),
    ),
    (("Exports", "An export link is valid for 24 hours."), ("Invitations", "An invitation link is valid for 7 days.")),
    (("Starter", "The plan costs 9 € a month."), ("Business", "The plan costs 49 € a month.")),
    (("Plans", "The Starter plan has 3 seats."), ("Seats", "The Business plan has 25 seats.")),
    (("Prices", "An extra seat costs 12 € a month."), ("Yearly billing", "An extra seat costs 120 € a year.")),
    (("Prices", "The Pro plan costs $20."), ("Prices in Europe", "The Pro plan costs 18 €.")),
    (("Invoices", "Invoices are kept for 10 years."), ("Logs", "Logs are kept for 30 days.")),
    (("Google import", "The import takes 2 hours."), ("Matomo import", "The import takes 5 hours.")),
    (("Release 2", "Version 2 came out on 1 March 2025."), ("Release 3", "Version 3 came out on 5 May 2026.")),
    (("Goals", "You can add up to 20 goals."), ("Funnels", "You can add up to 8 steps.")),
    (("Passwords", "A password needs at least 8 characters."), ("Limits", "A password has at most 72 characters.")),
    (("Reports", "Weekly reports arrive at 9:00."), ("Reports again", "Monthly reports arrive at 10:00.")),
    (("Delivery", "Delivery takes 3 to 5 business days."), ("Shipping", "Delivery takes 4 business days.")),
    (("Delivery", "Express delivery takes 1 day."), ("Shipping", "Standard delivery takes 5 days.")),
    (("Android", "The app needs 50 MB of storage."), ("iPhone", "The app needs 80 MB of storage.")),
    (("Okta", "Click **Add another** two times."), ("Google", "Click **Add mapping** three times.")),
    (("Steps", "In step 2 you choose a plan."), ("More steps", "In step 3 you choose a plan.")),
    (
        ("Errors", "Error 404 means that a page is missing."),
        ("More errors", "Error 410 means that a page is gone for good."),
    ),
    (
        ("Example", "For example, 20 visitors make 40 page views."),
        ("Another", "For example, 30 visitors make 40 page views."),
    ),
    (("Retries", "Failed e-mails are retried 5 times."), ("Webhooks", "Failed webhooks are retried 3 times.")),
    (("Free", "You can invite 2 members."), ("Team", "You can invite 50 members.")),
    (("Domestic", "A call costs 5 cents a minute."), ("Abroad", "A call costs 30 cents a minute.")),
    (("Owner", "An owner can open 10 sites."), ("Member", "A member can open 3 sites.")),
    (("Cards", "Payments by card arrive within 1 day."), ("SEPA", "Payments by SEPA arrive within 3 days.")),
    (("Opening hours", "We are open until 17:00 on weekdays."), ("Weekend", "We are open until 12:00 on Saturday.")),
    (("Summer", "The office closes at 3 pm."), ("Winter", "The office closes at 5 pm.")),
    (("Old", "The legacy API allows 60 requests per minute."), ("New", "The API allows 600 requests per minute.")),
    (("Sandbox", "You may send 10 requests a second."), ("Production", "You may send 100 requests a second.")),
    (
        ("Hourly", "You may send 600 requests per hour to the API."),
        ("Rates", "You may send 10 requests per second to the API."),
    ),
    (("Trial", "A trial lasts 14 days."), ("Membership", "A membership lasts 12 months.")),
    (("Backups", "Backups are made every 6 hours."), ("Retention", "Backups are kept for 30 days.")),
    (
        ("First reminder", "The first reminder comes after 7 days."),
        ("Second reminder", "The second reminder comes after 14 days."),
    ),
    (("Students", "Students get a discount of 50 %."), ("Charities", "Charities get a discount of 20 %.")),
    (("Children", "A ticket for children costs 5 €."), ("Adults", "A ticket for adults costs 12 €.")),
    (("Upload", "Uploads may be 25 MB."), ("Download", "Downloads may be 100 MB.")),
    (("Before", "Before the upgrade you have 3 seats."), ("After", "After the upgrade you have 10 seats.")),
    (("Seats", "There is no limit on sites."), ("Sites", "There is no limit on seats.")),
    (("Same", "A refund takes 5 days."), ("Same again", "A refund takes 5 days.")),
    (("Germany", "The tax is 19 %."), ("France", "The tax is 20 %.")),
    (("Windows", "The program needs 4 GB of memory."), ("Mac", "The program needs 8 GB of memory.")),
]


def pair(one: tuple[str, str], other: tuple[str, str]) -> tuple[Passage, Passage]:
    first, second = (
        Passage(number, f"a{number}", f"c{number}", title, (), f"{number}.md", "", text, 0.8)
        for number, (title, text) in enumerate((one, other), 1)
    )
    return first, second


def test_the_sets_are_large_enough() -> None:
    assert len(CONTRADICTING) >= 20
    assert len(HARMLESS) >= 40


@pytest.mark.parametrize(("one", "other"), CONTRADICTING)
def test_a_contradiction_is_found(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert contradicting_passages(pair(one, other)) == [(1, 2)]


@pytest.mark.parametrize(("one", "other"), HARMLESS)
def test_what_only_looks_alike_is_none(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert contradicting_passages(pair(one, other)) == []


def test_versions_of_one_article_do_not_contradict_themselves() -> None:
    first, second = pair(("Refunds", "A refund takes 5 days."), ("Refunds", "A refund takes 14 days."))
    same = Passage(2, first.article_id, "c2", second.title, (), "1.md", "", second.text, 0.8)
    assert contradicting_passages((first, same)) == []


async def test_the_answer_names_both_and_cites_both() -> None:
    passages = pair(*CONTRADICTING[0])
    request = CompletionRequest((ChatMessage("user", "How long does a refund take to reach my card?"),), passages)
    text = ""
    async with aclosing(BuiltinProvider().stream(request)) as events:
        async for event in events:
            text += event.text if isinstance(event, TextChunk) else ""
    assert "contradict each other" in text
    told = text.split("contradict each other", 1)[1]
    assert "5 days to reach your card. [1]" in told
    assert "after 14 days. [2]" in told


def test_a_model_is_told_which_passages_disagree_and_none_of_their_words() -> None:
    request = CompletionRequest((ChatMessage("user", "How long?"),), pair(*CONTRADICTING[0]))
    assert "differing" not in with_passages(request)
    hint = with_passages(replace(request, disagreeing=((1, 2),))).rsplit("may be cited are", 1)[1]
    assert "[1] and [2] seem to give differing figures" in hint
    assert "refund" not in hint.lower()
