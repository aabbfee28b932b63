"""Words and stems as search sees them."""

from __future__ import annotations

import pytest

from deskwire_server.knowledge.text import stems, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Réglages, ÄPFEL & Straße", ["reglages", "apfel", "strasse"]),
        ("edit vercel.json now", ["edit", "vercel.json", "vercel", "json", "now"]),
        ("invalid_grant", ["invalid_grant", "invalid", "grant"]),
        ("請求書の支払い", ["請求", "求書", "書の", "の支", "支払", "払い"]),
        ("it's 10.5 €", ["it", "s", "10.5", "10", "5"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_english_stems_without_stop_words() -> None:
    assert stems("How do I cancel my subscriptions?") == ["cancel", "subscript"]


def test_other_languages() -> None:
    assert stems("Rechnungen", "de") == stems("Rechnung", "de-AT")
    assert stems("facturas", "es") == stems("factura", "es")


def test_unknown_language_is_not_stemmed() -> None:
    assert stems("subscriptions", "xx") == ["subscriptions"]


def test_long_runs_are_cut() -> None:
    assert max(map(len, words("a" * 5000))) == 64
