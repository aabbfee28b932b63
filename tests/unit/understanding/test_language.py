"""The language of short messages is told by script, everyday words and letters."""

from __future__ import annotations

import pytest

from deskwire_server.understanding.language import base_language, detect, detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I cancel my subscription?", "en"),
        ("whats a good recipe for banana bread without eggs", "en"),
        ("Wie ändere ich meine Rechnungsadresse?", "de"),
        ("Puis-je changer de plan au milieu du mois ?", "fr"),
        ("¿Cómo cambio mi plan?", "es"),
        ("Onde posso ver as minhas faturas?", "pt"),
        ("Dove trovo le mie fatture?", "it"),
        ("Hoe kan ik mijn wachtwoord wijzigen?", "nl"),
        ("Hur ändrar jag mitt lösenord?", "sv"),
        ("Jak zmienić hasło do mojego konta?", "pl"),
        ("Jak si mohu změnit heslo?", "cs"),
        ("Hogyan tudom lemondani a szolgáltatást?", "hu"),
        ("Cum pot să îmi schimb parola?", "ro"),
        ("Şifremi nasıl değiştirebilirim?", "tr"),
        ("Miten voin vaihtaa salasanan?", "fi"),
        ("Bagaimana saya bisa mengubah sandi?", "id"),
        ("Làm thế nào để tôi đổi mật khẩu?", "vi"),
        ("Как отменить подписку?", "ru"),
        ("Як я можу скасувати підписку?", "uk"),
        ("Как мога да сменя паролата си?", "bg"),
        ("Πώς αλλάζω τον κωδικό μου;", "el"),
        ("كيف يمكنني تغيير كلمة المرور؟", "ar"),
        ("چگونه می توانم رمز را تغییر دهم؟", "fa"),
        ("איך משנים סיסמה?", "he"),
        ("मैं अपना पासवर्ड कैसे बदलूँ?", "hi"),
        ("ฉันจะเปลี่ยนรหัสผ่านได้อย่างไร", "th"),
        ("パスワードを変更するには?", "ja"),
        ("如何更改密码?", "zh"),
        ("비밀번호를 어떻게 바꾸나요?", "ko"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert detect(text).language == language


@pytest.mark.parametrize("text", ["", "12345", "https://example.com/de/und/das", "`und das ist`", "invalid_grant 403"])
def test_nothing_to_tell_by(text: str) -> None:
    assert detect(text).language == ""


def test_a_stray_word_does_not_decide() -> None:
    assert detect_language("spike mails max per day") == "en"
    assert detect_language("xyzzy", default="fr") == "fr"


def test_a_long_text_is_surer_than_a_short_one() -> None:
    assert detect("Wo ist meine Rechnung, und wie kann ich sie ändern?").confidence > detect("Rechnung").confidence


def test_long_texts_cost_little() -> None:
    assert detect("word " * 1_000_000 + "und das ist gut").language in ("", "en")


def test_base_language() -> None:
    assert [base_language(tag) for tag in ("de-AT", "pt_BR", "EN", "")] == ["de", "pt", "en", ""]
