"""What a search says of its question: how telling each word is, where it occurs, and what stands out."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from deskwire_server.knowledge.asking import asked, asking_sentences
from deskwire_server.knowledge.question import Form, Question
from deskwire_server.knowledge.ranking import Ranked
from deskwire_server.knowledge.search_store import Candidate, Corpus
from deskwire_server.knowledge.spelling import rarity
from deskwire_server.knowledge.text import stems
from deskwire_server.llm.port import Asked

SEATS, MAILS = UUID(int=1), UUID(int=2)


def candidate(number: int, article: UUID, text: str, cosine: float | None) -> Candidate:
    counts = dict.fromkeys(stems(text), 1.0)
    return Candidate(UUID(int=100 + number), article, 10.0, cosine, None, None, counts)


def told(text: str, candidates: Sequence[Candidate], scores: dict[UUID, float]) -> Asked:
    corpus = Corpus(100, 10.0, ("en",), ())
    occurrences = dict.fromkeys((term for one in candidates for term in one.frequencies), 5)
    form = Form(text, dict.fromkeys(stems(text), 1.0))
    question = Question((form,), corpus, occurrences, text=text)
    return asked(question, form, candidates, Ranked({}, scores, {}, 0.0, 0.0))


CANDIDATES = (
    candidate(1, SEATS, "A workspace may have twenty seats", 0.6),
    candidate(2, SEATS, "Seats are paid monthly", 0.4),
    candidate(3, MAILS, "Mail is sent to the workspace", 0.1),
)
SCORES = {SEATS: 1.5, MAILS: 0.5}


def test_words_are_known_and_held_by_the_best_article_or_not() -> None:
    words = {word.word: word for word in told("How many quokkas may one workspace mail?", CANDIDATES, SCORES).words}
    assert (words["quokkas"].known, words["quokkas"].held) == (False, False)
    assert (words["mail"].known, words["mail"].held) == (True, False)
    assert (words["workspace"].known, words["workspace"].held) == (True, True)
    assert words["quokkas"].weight == pytest.approx(1.0)
    assert words["quokkas"].weight > words["workspace"].weight


def test_what_leads_to_the_question_does_not_ask() -> None:
    words = {word.word: word.asking for word in told("We own a zoo. Where are the seats?", CANDIDATES, SCORES).words}
    assert not words["zoo"]
    assert words["seats"]
    assert asking_sentences("We own a zoo. Where are the seats?") == ["Where are the seats?"]
    assert asking_sentences("Seats for the zoo. Please.") == ["Seats for the zoo.", "Please."]


def test_what_stands_out() -> None:
    clear, level = told("seats", CANDIDATES, SCORES), told("seats", CANDIDATES, {SEATS: 1.0, MAILS: 1.0})
    assert clear.alone > 0.9
    assert level.alone == pytest.approx(0.5)
    assert clear.nearest == pytest.approx(0.6)
    assert clear.ahead > 1
    assert clear.held == pytest.approx(1.0)
    assert told("seats for quokkas", CANDIDATES, SCORES).held < 0.6


def test_nothing_found_and_no_vectors() -> None:
    nothing = told("seats", (), {})
    assert (nothing.nearest, nothing.alone, nothing.held) == (0.0, 0.0, 0.0)
    bare = told("seats", (candidate(1, SEATS, "Seats", None),), {SEATS: 1.0})
    assert (bare.nearest, bare.ahead, bare.held) == (0.0, 0.0, pytest.approx(1.0))


def test_rarity_in_english() -> None:
    assert rarity("the") == 0.0
    assert rarity("password") > rarity("money") > rarity("year")
    assert rarity("quokka") == 1.0
    assert rarity("prices") == pytest.approx(rarity("price"), abs=0.2)
