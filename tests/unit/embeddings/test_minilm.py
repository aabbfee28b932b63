"""The model gives the published vectors, and the same ones in any batch."""

from __future__ import annotations

import numpy as np
import pytest

from deskwire_server.embeddings.minilm import DIMENSIONS, MiniLM, batches_by_length


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM.load()


def test_known_values(model: MiniLM) -> None:
    vectors = model.embed(["This is an example sentence", "Each sentence is converted"])
    # As the authors' own code prints them.
    np.testing.assert_allclose(vectors[0, :5], [0.067657, 0.063496, 0.048713, 0.079305, 0.037448], atol=2e-6)
    np.testing.assert_allclose(vectors[1, :4], [0.086439, 0.102763, 0.005395, 0.002044], atol=2e-6)


def test_unit_vectors_whatever_the_batch(model: MiniLM) -> None:
    texts = ["short", "a somewhat longer sentence about invoices", "word " * 400, ""]
    together = model.embed(texts)
    assert together.shape == (4, DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for index, text in enumerate(texts):
        np.testing.assert_allclose(model.embed([text])[0], together[index], atol=1e-5)


def test_like_meanings_lie_closer(model: MiniLM) -> None:
    asked, same, other = model.embed(
        ["How do I cancel my subscription?", "Ending your paid plan", "The cat sleeps on the roof"]
    )
    assert asked @ same > asked @ other + 0.2


def test_no_texts(model: MiniLM) -> None:
    assert model.embed([]).shape == (0, DIMENSIONS)


def test_batches_hold_each_text_once_within_the_budget() -> None:
    lengths = [5, 300, 7, 7, 100, 1]
    batches = list(batches_by_length(lengths, 64))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= 64


def test_words_are_compared_in_context(model: MiniLM) -> None:
    question, texts = "Where is my invoice?", ["You find every invoice under Billing.", "Dogs bark."]
    match = model.match(question, texts)
    assert match.words == ("where", "is", "my", "invoice", "?")
    assert match.likeness.shape == (5, 2)
    assert match.likeness[3, 0] > 0.6 > match.likeness[3, 1]
    assert np.allclose(match.question, model.embed([question])[0], atol=1e-5)
    assert np.allclose(match.texts, model.embed(texts), atol=1e-5)
    assert np.allclose(model.match(question, [question]).likeness[:, 0], 1.0, atol=1e-4)


def test_a_word_of_many_pieces_is_one_word(model: MiniLM) -> None:
    match = model.match("fritzbox", ["", "The fritzbox blinks."])
    assert match.words == ("fritzbox",)
    assert match.likeness[0, 0] == 0.0
    assert match.likeness[0, 1] > 0.5
