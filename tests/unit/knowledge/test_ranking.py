"""Fusion: meaning and words add up, articles take the best of their passages, relevance is a share."""

from __future__ import annotations

from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire_server.embeddings.port import Vectors
from deskwire_server.knowledge.ranking import merged, rank, relevances, word_weights
from deskwire_server.knowledge.search_store import Candidate, Corpus
from deskwire_server.knowledge.vectors import pack, similarities

CORPUS = Corpus(chunks=100, mean_length=100.0, languages=("en",))
QUESTION: Vectors = np.array([1, 0, 0, 0], dtype=np.float32)


def _candidate(article: UUID, cosine: float | None, title: float = 0.0, **frequencies: float) -> Candidate:
    sentences = None if cosine is None else pack(np.array([[cosine, (1 - cosine**2) ** 0.5, 0, 0]], dtype=np.float32))
    return Candidate(uuid4(), article, 100.0, cosine, title if cosine is not None else None, sentences, frequencies)


def test_rare_words_weigh_more() -> None:
    weights, proposing = word_weights({"funnel": 1, "page": 1, "absent": 1}, {"funnel": 2, "page": 80}, CORPUS)
    assert weights["absent"] > weights["funnel"] > weights["page"]
    assert set(proposing) == {"funnel"}


def test_common_words_propose_when_there_are_no_others() -> None:
    _, proposing = word_weights({"page": 1, "absent": 1}, {"page": 80}, CORPUS)
    assert set(proposing) == {"page"}


def test_meaning_and_words_add_up() -> None:
    near, worded, both = uuid4(), uuid4(), uuid4()
    found = [_candidate(near, 0.6), _candidate(worded, 0.1, funnel=2.0), _candidate(both, 0.55, funnel=2.0)]
    ranked = rank(found, {"funnel": 4.0}, CORPUS, QUESTION)
    assert max(ranked.articles, key=ranked.articles.__getitem__) == both
    assert ranked.nearest == pytest.approx(0.6)


def test_an_article_takes_the_best_of_its_passages() -> None:
    split, single = uuid4(), uuid4()
    found = [_candidate(split, 0.6), _candidate(split, 0.2, funnel=3.0), _candidate(single, 0.6)]
    ranked = rank(found, {"funnel": 4.0}, CORPUS, QUESTION)
    assert ranked.articles[split] > ranked.articles[single]
    assert ranked.articles[split] > max(ranked.passages.values())


def test_words_alone_without_vectors() -> None:
    right, wrong = uuid4(), uuid4()
    found = [_candidate(right, None, funnel=2.0, step=1.0), _candidate(wrong, None, step=1.0)]
    ranked = rank(found, {"funnel": 4.0, "step": 1.0}, CORPUS, None)
    assert ranked.articles[right] > ranked.articles[wrong]
    relevance = relevances(ranked, by_meaning=False)
    assert 0 <= relevance[wrong] < relevance[right] <= 1


def test_nothing_found() -> None:
    ranked = rank([], {}, CORPUS, QUESTION)
    assert (ranked.articles, relevances(ranked, by_meaning=True)) == ({}, {})


def test_merging_gives_absent_articles_the_floor() -> None:
    first, second = uuid4(), uuid4()
    alone = rank([_candidate(first, 0.5), _candidate(second, 0.1)], {}, CORPUS, QUESTION)
    other = rank([_candidate(second, 0.9)], {}, CORPUS, QUESTION)
    mixed = merged([(alone, 0.3), (other, 0.7)])
    assert mixed.articles[second] == pytest.approx(0.3 * alone.articles[second] + 0.7 * other.articles[second])
    assert mixed.articles[first] == pytest.approx(0.3 * alone.articles[first] + 0.7 * other.floor)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_relevance_is_a_share_and_keeps_the_order(cosines: list[float]) -> None:
    ranked = rank([_candidate(uuid4(), cosine) for cosine in cosines], {}, CORPUS, QUESTION)
    relevance = relevances(ranked, by_meaning=True)
    by_score = sorted(ranked.articles, key=ranked.articles.__getitem__)
    values = [relevance[key] for key in by_score]
    assert values == sorted(values)
    assert all(0 <= value <= 1 for value in values)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_packed_vectors_keep_their_cosines(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(rows, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    question = vectors[0]
    np.testing.assert_allclose(similarities(pack(vectors), question), vectors @ question, atol=0.01)


def test_packed_vectors_of_another_embedder_are_not_compared() -> None:
    assert len(similarities(pack(np.ones((2, 3), dtype=np.float32)), QUESTION)) == 0
    assert len(similarities(pack(np.ones((0, 4), dtype=np.float32)), QUESTION)) == 0
