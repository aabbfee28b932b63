"""Questions in other languages become English words; what is no language of the glossary does not."""

from __future__ import annotations

import pytest

from deskwire_server.knowledge.translation import in_english
from deskwire_server.knowledge.translation.translator import LANGUAGES, _glossary


@pytest.mark.parametrize(
    ("question", "language", "expected"),
    [
        ("Wie kann ich mein Passwort zurücksetzen?", "de", {"password", "reset"}),
        ("Welche Rechnungsadresse gilt?", "de", {"invoice", "address"}),
        ("Comment réinitialiser mon mot de passe ?", "fr", {"password", "reset"}),
        ("¿Dónde puedo descargar las facturas?", "es", {"download", "invoice"}),
        ("Come posso eliminare il mio account?", "it", {"delete", "account"}),
        ("Como posso cancelar a minha assinatura?", "pt", {"cancel", "subscription"}),
        ("Hoe kan ik mijn wachtwoord wijzigen?", "nl", {"password", "change"}),
    ],
)
def test_words_are_found(question: str, language: str, expected: set[str]) -> None:
    english = in_english(question, language, set())
    assert english is not None
    assert expected <= set(english.split())


def test_names_that_the_tenant_writes_stay() -> None:
    english = in_english("Wie verbinde ich Shopify mit Foobar?", "de", {"shopifi"})
    assert english is not None
    assert "shopify" in english.split()
    assert "foobar" not in english.split()


def test_phrases_win_over_their_words() -> None:
    assert in_english("mise à jour", "fr", set()) == "update"


@pytest.mark.parametrize(("question", "language"), [("weather tomorrow", "en"), ("xyz", "de"), ("", "fr"), ("a", "xx")])
def test_nothing_to_translate(question: str, language: str) -> None:
    assert in_english(question, language, set()) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_its_column(language: str) -> None:
    glossary = _glossary(language)
    assert glossary is not None
    assert len(glossary) > 250
    assert "" not in glossary
