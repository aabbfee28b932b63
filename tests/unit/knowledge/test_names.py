"""What a tenant's products and integrations are called is read out of its articles."""

from __future__ import annotations

import pytest

from deskwire_server.knowledge.names import NamingArticle, names_in
from deskwire_server.understanding.gazetteer import Gazetteer, GazetteerEntry


def named(article: NamingArticle) -> set[tuple[str, str]]:
    return {(entry.type, entry.name) for entry in names_in(article)}


@pytest.mark.parametrize(
    ("article", "wanted"),
    [
        (NamingArticle("Fluxomatic 3000"), {("product", "Fluxomatic 3000")}),
        (NamingArticle("Getting started with Brightbox Router X200"), {("product", "Brightbox Router X200")}),
        (NamingArticle("Getting Started With Brightbox Router X200"), {("product", "Brightbox Router X200")}),
        (NamingArticle("Track shipments in ParcelPilot"), {("product", "ParcelPilot")}),
        (NamingArticle("Smart Inbox", category="Products"), {("product", "Smart Inbox")}),
        (NamingArticle("Orbit Mail", tags=("product",), language="de"), {("product", "Orbit Mail")}),
        (
            NamingArticle("How do I use Smart Funnel in reports", text="Open the Smart Funnel and click."),
            {("product", "Smart Funnel")},
        ),
        (NamingArticle("Brightbox setup", text="Plug in the Brightbox and wait."), {("product", "Brightbox")}),
        (
            NamingArticle("Acme Widget Pro", text="The Acme Widget Pro is our best widget."),
            {("product", "Acme Widget Pro")},
        ),
        (NamingArticle("Was TurboSync kann", language="de"), {("product", "TurboSync")}),
        (
            NamingArticle("Connect Google Ads", "integrations", ("google-ads", "conversions"), text="## Send back\n"),
            {("integration", "Google Ads")},
        ),
        (
            NamingArticle("Connect Slack and Salesforce", "integrations", ("slack", "salesforce")),
            {("integration", "Slack"), ("integration", "Salesforce")},
        ),
        (NamingArticle("Zorblatt integration guide"), {("integration", "Zorblatt")}),
        (
            NamingArticle(
                "Available integrations", text="## Zapier\n\n## Notion Sync\n\n## Requirements\n\n## Overview\n"
            ),
            {("integration", "Zapier"), ("integration", "Notion Sync")},
        ),
    ],
)
def test_names_are_found(article: NamingArticle, wanted: set[tuple[str, str]]) -> None:
    assert named(article) == wanted


@pytest.mark.parametrize(
    "article",
    [
        NamingArticle("Delete your account", text="You can delete your account in the settings."),
        NamingArticle("Refund policy", text="Refunds take two days."),
        NamingArticle("Use the API"),
        NamingArticle("Import contacts from a CSV file"),
        NamingArticle("Error E42 on upload"),
        NamingArticle("iPhone app"),
        NamingArticle("Two-Factor Authentication", text="Turn on two-factor authentication."),
        NamingArticle("Rechnungen als Datei herunterladen", language="de"),
        NamingArticle("Overview", category="integrations", text="## Requirements\n\n## Permissions\n"),
        NamingArticle("Products", category="products"),
        NamingArticle("???"),
        NamingArticle("", text="## "),
    ],
)
def test_everyday_words_are_no_names(article: NamingArticle) -> None:
    assert named(article) == set()


def test_a_name_that_is_a_word_too_is_found_as_it_is_written() -> None:
    gazetteer = Gazetteer([GazetteerEntry("product", "Pulse", is_exact=True)])
    assert [hit.start for hit in gazetteer.find("is Pulse down?")] == [3]
    assert not list(gazetteer.find("my pulse goes up"))


def test_hostile_titles_take_no_time() -> None:
    for title in ("Aa " * 3_000, "A1" * 20_000, "Connect " * 2_000, "x" * 50_000 + " integration"):
        names_in(NamingArticle(title, "integrations", ("a",) * 50, text="# " + "A b, " * 4_000))
        names_in(NamingArticle(title, text="Aa " * 7_000))
