"""Small talk is answered as such, in its language; questions are left to the knowledge base."""

from __future__ import annotations

import pytest

from deskwire_server.llm.builtin.frames import FRAMES, Frames
from deskwire_server.llm.builtin.smalltalk import Talk, reply, small_talk
from deskwire_server.llm.port import AnswerContext


@pytest.mark.parametrize(
    ("text", "talk", "language"),
    [
        ("Hi!", "greeting", ""),
        ("Hello there 👋", "greeting", "en"),
        ("Guten Morgen", "greeting", "de"),
        ("Bonjour !", "greeting", "fr"),
        ("¡Buenos días!", "greeting", "es"),
        ("Olá", "greeting", "pt"),
        ("Buongiorno", "greeting", "it"),
        ("Goedemorgen", "greeting", "nl"),
        ("thanks a lot!", "thanks", "en"),
        ("Great, thank you very much. Bye", "goodbye", "en"),
        ("Vielen Dank!", "thanks", "de"),
        ("merci beaucoup", "thanks", "fr"),
        ("Who are you?", "who", "en"),
        ("Hello, who are you?", "who", "en"),
        ("Bist du ein Mensch?", "who", "de"),
        ("What can you do for me?", "abilities", "en"),
        ("Kannst du mir helfen?", "abilities", "de"),
        ("Hi, can you help me?", "abilities", "en"),
        ("how are you today?", "well", "en"),
        ("ok", "acknowledged", ""),
        ("I want to talk to a human", "human", "en"),
        ("Please connect me with a real person", "human", "en"),
        ("agent please", "human", "en"),
        ("Ich möchte mit einem Menschen sprechen", "human", "de"),
        ("Quiero hablar con una persona", "human", "es"),
        ("???", "empty", ""),
        ("", "empty", ""),
    ],
)
def test_recognised(text: str, talk: str, language: str) -> None:
    found = small_talk(text)
    assert found is not None
    assert (found.talk.value, found.language) == (talk, language)


@pytest.mark.parametrize(
    "text",
    [
        "Hi, how do I cancel my subscription?",
        "Thanks, and where are my invoices?",
        "help me import contacts",
        "What can you tell me about webhooks?",
        "Who is the owner of our workspace?",
        "Can I invite another agent?",
        "How do I contact a customer by e-mail?",
        "cancel",
        "hello world example",
        "How do I add a support agent to my team?",
        "weather tomorrow",
    ],
)
def test_questions_are_no_small_talk(text: str) -> None:
    assert small_talk(text) is None


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES.keys())
@pytest.mark.parametrize("talk", list(Talk))
def test_every_language_has_an_answer_to_all(frames: Frames, talk: Talk) -> None:
    context = AnswerContext(user_name="Ana Petrov", company_name="Brindlewave")
    assert "{" not in reply(talk, frames, context)
    assert reply(talk, frames, context) != ""
    assert ("Ana" in reply(talk, frames, context)) == (talk is Talk.GREETING)
    assert ("Brindlewave" in reply(talk, frames, context)) == (talk is Talk.WHO)
