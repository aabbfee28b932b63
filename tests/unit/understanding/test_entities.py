"""What a message mentions: types, places in code points, normalised values."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from deskwire_server.understanding.entities import EntityFinder
from deskwire_server.understanding.gazetteer import Gazetteer, GazetteerEntry

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""A Saturday."""


def found(text: str, language: str = "en") -> list[tuple[str, str, str]]:
    return [(each.type, each.text, each.value) for each in EntityFinder().find(text, now=NOW, language=language)]


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("mail Ana.Lee@Mail.example.COM now", ("email", "Ana.Lee@Mail.example.COM", "ana.lee@mail.example.com")),
        ("see www.Shop.example.com/Cart.", ("url", "www.Shop.example.com/Cart", "https://www.shop.example.com/Cart")),
        ("call +49 30 1234567 back", ("phone", "+49 30 1234567", "+49301234567")),
        ("call (650) 253-0000 back", ("phone", "(650) 253-0000", "+16502530000")),
        ("paid $1,299.50 for it", ("amount", "$1,299.50", "1299.50 USD")),
        ("paid 1.299,00 € for it", ("amount", "1.299,00 €", "1299.00 EUR")),
        ("about 2k dollars", ("amount", "2k dollars", "2000.00 USD")),
        ("CHF 80 too much", ("amount", "CHF 80", "80.00 CHF")),
        ("down by 12,5 %", ("percentage", "12,5 %", "12.5 %")),
        ("order #A-1234 is late", ("order_number", "A-1234", "A-1234")),
        ("parcel 1Z999AA10123456784", ("order_number", "1Z999AA10123456784", "1Z999AA10123456784")),
        ("it says error 0x80070005", ("error_code", "0x80070005", "0x80070005")),
        ("a 502 bad gateway", ("error_code", "502", "502")),
        ("got invalid_grant back", ("error_code", "invalid_grant", "invalid_grant")),
        ("my name is Peter van Dijk", ("person", "Peter van Dijk", "Peter van Dijk")),
        ("we at Acme GmbH wait", ("company", "Acme GmbH", "Acme GmbH")),
        ("our google-ads account", ("integration", "google-ads", "Google Ads")),
    ],
)
def test_kinds_and_values(text: str, entity: tuple[str, str, str]) -> None:
    assert entity in found(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("since yesterday", "2026-11-20"),
        ("tomorrow at 3pm", "2026-11-22T15:00"),
        ("last Monday", "2026-11-16"),
        ("on Saturday", "2026-11-28"),
        ("next week", "2026-11-23/2026-11-29"),
        ("last month", "2026-10"),
        ("3 days ago", "2026-11-18"),
        ("in two weeks", "2026-12-05"),
        ("March 5", "2026-03-05"),
        ("24 December", "2026-12-24"),
        ("2026-12-03T06:40", "2026-12-03T06:40"),
        ("3/4/2025", "2025-03-04"),
        ("31.10.2025", "2025-10-31"),
        ("bill for March", "2026-03"),
        ("end of the month", "2026-11-30"),
    ],
)
def test_dates(text: str, value: str) -> None:
    assert [each[2] for each in found(text) if each[0] == "date"] == [value]


def test_dates_of_other_languages() -> None:
    assert [each[2] for each in found("vor 3 Tagen und gestern", "de")] == ["2026-11-18", "2026-11-20"]
    assert [each[2] for each in found("le 3/4/2025", "fr")] == ["2025-04-03"]


def test_relative_dates_count_from_the_day_of_the_user() -> None:
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC).astimezone(timezone(timedelta(hours=9)))
    assert EntityFinder().find("today", now=late)[0].value == "2026-11-22"


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "hello", "30 February", "I have 3 dogs and 25 users", "version 4.2.1", "theme_color is blue",
        "it may work",
        "at 10:32", "the second one", "Can I get a discount?", "It costs nothing", "192.168.0.12",
        "I am happy", "march on",
    ],
)  # fmt: skip
def test_nothing_to_find(text: str) -> None:
    assert [each for each in found(text) if each[0] != "url"] == []


def test_places_are_code_points() -> None:
    text = "😀😀 مرحبا ana@example.com"
    entity = EntityFinder().find(text)[0]
    assert text[entity.start : entity.end] == entity.text == "ana@example.com"


def test_the_tenants_own_names_however_they_are_spelled() -> None:
    gazetteer = Gazetteer([
        GazetteerEntry("product", "Cloud Phone", ("cloudfon",)),
        GazetteerEntry("product", "Cloud"),
        GazetteerEntry("integration", "Slack"),
    ])  # fmt: skip
    finder = EntityFinder(gazetteer)
    for text in ("my cloud-phone", "my CloudPhone", "my CLOUD PHONE", "my cloudfon"):
        assert [(each.type, each.value) for each in finder.find(text)] == [("product", "Cloud Phone")]
    assert [each.value for each in finder.find("cloud and slack and clouds")] == ["Cloud", "Slack"]
    assert list(Gazetteer().find("Slack")) == []


@pytest.mark.parametrize(
    "piece",
    [
        "1 ",
        "a.",
        "a@",
        "www.",
        "error code ",
        "order no ",
        " ",
        "in the next ",
        "Peter ",
        "+1(",
        "$",
        "1st of ",
        "\n",
        "אב ",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 8_000)[:8_000]
    EntityFinder().find("warm up +1 650 253 0000 Monday")
    started = time.process_time()
    EntityFinder().find(text)
    assert time.process_time() - started < 0.5, "a pattern runs away"
