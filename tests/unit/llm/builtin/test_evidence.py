"""What speaks for an answer and against it, and what the judge makes of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Literal

import numpy as np
import pytest

from deskwire_server.embeddings.port import Match, Vectors
from deskwire_server.llm.builtin import BuiltinProvider
from deskwire_server.llm.builtin.evidence import (
    FOREIGN,
    WITH_VECTORS,
    WITH_WORDS,
    WITHOUT_VECTORS,
    Judge,
    Signs,
    judge_for,
)
from deskwire_server.llm.builtin.provider import Weighed
from deskwire_server.llm.builtin.question import names_in, read_question
from deskwire_server.llm.port import Asked, AskedWord, ChatMessage, CompletionRequest, Passage

SLACK = "Open **Settings → Integrations** and click **Connect** beside Slack. Alerts then arrive in a channel."
BILLING = "Invoices are under **Settings → Billing**."


def passage(number: int, title: str, text: str, relevance: float) -> Passage:
    return Passage(number, f"a{number}", f"c{number}", title, (), f"{number}.md", "", text, relevance)


PASSAGES = (passage(1, "Connect Slack", SLACK, 0.6), passage(2, "Invoices", BILLING, 0.2))


async def signs(text: str, *history: ChatMessage, passages: tuple[Passage, ...] = PASSAGES) -> Signs:
    request = CompletionRequest((*history, ChatMessage("user", text)), passages)
    return (await BuiltinProvider().weigh(request)).signs


async def test_a_name_that_no_passage_holds_speaks_against() -> None:
    there, missing = await signs("How do alerts get into Slack?"), await signs("How do alerts get into Discord?")
    assert (there.names, missing.names) == (1.0, 0.5)
    assert missing.words < there.words
    assert WITHOUT_VECTORS.confidence(missing) < WITHOUT_VECTORS.confidence(there)


async def test_a_misspelt_name_is_not_missing() -> None:
    assert (await signs("How do alerts get into Slakc?")).names == 1.0


async def test_the_lead_is_over_the_next_article_not_the_next_passage() -> None:
    twice = (PASSAGES[0], replace(PASSAGES[0], number=3, chunk_id="c3", relevance=0.5), PASSAGES[1])
    assert (await signs("Slack alerts", passages=twice)).lead == pytest.approx(0.4)
    assert (await signs("Slack alerts", passages=PASSAGES[:1])).lead == pytest.approx(0.6)


async def test_asking_whether_something_exists_speaks_against_unless_it_leans_on_the_history() -> None:
    assert (await signs("Can I send alerts to Slack?")).open == 0.0
    assert (await signs("How do I send alerts to Slack?")).open == 1.0
    before = (ChatMessage("user", "How do I connect Slack?"), ChatMessage("assistant", "Under Settings. [1]"))
    assert (await signs("Can I undo that?", *before)).open == 1.0


async def test_what_one_passage_holds_counts_only_where_something_is_asked_for() -> None:
    held, lacking = await signs("Can alerts arrive in Slack?"), await signs("Can alerts arrive in my fridge?")
    assert 0 < lacking.held < held.held
    assert (await signs("How do alerts arrive in my fridge?")).held == 1.0


async def test_words_that_the_tenant_never_uses_and_irrelevant_articles_speak_against() -> None:
    strange = tuple(replace(each, known=0.4) for each in PASSAGES)
    far = tuple(replace(each, relevance=0.15) for each in PASSAGES)
    usual = await signs("How do alerts get into Slack?")
    assert (usual.known, usual.near) == (1.0, 1.0)
    assert (await signs("How do alerts get into Slack?", passages=strange)).known == 0.4
    assert (await signs("How do alerts get into Slack?", passages=far)).near == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Does it work with Microsoft Teams?", ["microsoft", "teams"]),
        ("We need HIPAA and SOC 2", ["hipaa", "soc"]),
        ("LinkedIn ads", ["linkedin", "linked", "in"]),
        ("My dashboard is BROKEN since yesterday", []),
        ("How Do I Change My Password", []),
        ("Discord", []),
        ("Thanks. How do I start?", []),
    ],
)
def test_names_are_told_by_capital_letters(text: str, names: list[str]) -> None:
    assert set(names_in(text, "en")) <= set(names)
    assert bool(names_in(text, "en")) == bool(names)


def test_german_nouns_are_no_names() -> None:
    assert names_in("Wo finde ich die Rechnung?", "de") == []


@pytest.mark.parametrize("text", ["Do you offer maps?", "And is there an app?", "Gibt es eine App?", "¿Puedo pagar?"])
def test_questions_for_existence_are_known_in_other_languages(text: str) -> None:
    assert read_question((ChatMessage("user", text),), "en").asks_whether


@pytest.mark.parametrize("judge", [WITH_WORDS, WITH_VECTORS, WITHOUT_VECTORS, FOREIGN])
def test_no_sign_for_an_answer_lowers_confidence(judge: Judge) -> None:
    nothing = Signs(*[0.0] * len(fields(Signs)))
    base = judge.confidence(nothing)
    assert judge.declines(base)
    for sign in fields(Signs):
        assert judge.confidence(replace(nothing, **{sign.name: 1.0})) >= base
    assert not judge.declines(judge.confidence(Signs(*[1.0] * len(fields(Signs)))))
    assert judge.hopeless < judge.threshold


async def test_a_question_that_narrates_is_not_brief() -> None:
    brief = await signs("How do alerts get into Slack?")
    long = await signs(f"{'We are a small choir and we like to sing. ' * 4}How do alerts get into Slack?")
    assert (brief.brief, long.brief) == (1.0, 0.0)
    assert 0 < (await signs(f"{'Good morning to all of you there. ' * 3}Where is Slack?")).brief < 1
    assert WITH_WORDS.confidence(replace(brief, brief=0.0)) < WITH_WORDS.confidence(brief)


def word(text: str, *, weight: float = 0.5, known: bool = True, held: bool = True) -> AskedWord:
    return AskedWord(text, weight, 0.8, asking=True, known=known, held=held)


def searched(text: str, *words: AskedWord) -> tuple[Passage, ...]:
    asked = Asked(text, text, words, held=0.7, nearest=0.6, ahead=2.0, alone=0.5)
    return tuple(replace(each, asked=asked) for each in PASSAGES)


async def test_a_made_up_thing_in_known_surroundings_speaks_against() -> None:
    text = "How many quokkas may Slack alert?"
    there = await signs(text, passages=searched(text, word("slack"), word("alert")))
    made_up = word("quokkas", weight=1.0, known=False, held=False)
    missing = await signs(text, passages=searched(text, made_up, word("slack"), word("alert")))
    assert there.complete == 1.0
    assert missing.complete == pytest.approx(0.0)
    assert WITH_WORDS.confidence(missing) < WITH_WORDS.confidence(there)
    assert (missing.nearest, missing.ahead, missing.alone, missing.asked) == (0.6, 2.0, 0.5, 0.7)


async def test_a_question_is_read_as_the_search_corrected_it() -> None:
    request = CompletionRequest(
        (ChatMessage("user", "allerts in slakc?"),), searched("Alerts in Slack?", word("slack"))
    )
    assert (await BuiltinProvider().weigh(request)).question.text == "Alerts in Slack?"


class WordsEmbedder:
    """Everything is alike, but for the word `discord`, which nothing resembles."""

    name, dimensions = "test/words", 2

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        return np.ones((len(texts), 2), dtype=np.float32) / np.float32(2**0.5)

    async def match(self, question: str, texts: Sequence[str]) -> Match:
        vectors = await self.embed([question, *texts], purpose="query")
        words = tuple(question.lower().strip("?").split())
        rows = [[0.1 if word == "discord" else 0.9] * len(texts) for word in words]
        return Match(words, vectors[0], vectors[1:], np.array(rows, dtype=np.float32))

    async def close(self) -> None:
        """Nothing to close."""


async def test_words_that_nothing_resembles_speak_against() -> None:
    async def weighed(name: str) -> Weighed:
        text = f"Alerts in {name}?"
        passages = searched(text, word("alerts"), word(name.lower()))
        return await BuiltinProvider(WordsEmbedder()).weigh(CompletionRequest((ChatMessage("user", text),), passages))

    met, strange = (await weighed("Slack")).signs, (await weighed("Discord")).signs
    assert judge_for((await weighed("Slack")).scored, foreign=False) is WITH_WORDS
    assert strange.meant < met.meant
    assert (strange.least, met.least) == (pytest.approx(0.1), pytest.approx(0.9))
    assert strange.likest < met.likest


async def test_long_questions_amounts_and_what_you_offer() -> None:
    long = "How many alerts a day arrive?"
    many = tuple(word(f"w{number}") for number in range(30))
    assert (await signs(long, passages=searched(long, *many))).long == 1.0
    assert (await signs(long, passages=searched(long, *many[:3]))).long < 0.6
    assert (await signs(long, passages=searched(long, *many))).kind == 0.0
    assert (await signs("Do you send alerts?", passages=searched("Do you send alerts?", word("alerts")))).theirs == 0.0
    assert (await signs("Where are alerts?", passages=searched("Where are alerts?", word("alerts")))).theirs == 1.0
