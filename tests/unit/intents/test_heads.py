"""Heads: what they learn, how sure they are, what they refuse, and that bytes give back the same head."""

from __future__ import annotations

import io

import numpy as np
import pytest

from deskwire_server.intents import report
from deskwire_server.intents.heads import binary, codec, kernel, linear, metric, mixing
from deskwire_server.intents.heads.head import OUT_OF_SCOPE, Head, decide, fit_unmeasured, usual_trust
from deskwire_server.intents.heads.parts import Rows
from deskwire_server.intents.heads.training import train

DIMENSIONS, INTENTS = 32, 8


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def clouds(each: int, *, seed: int = 0, spread: float = 0.6, intents: int = INTENTS) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around a direction for each intent, three views side by side, and their labels."""
    middles = np.random.default_rng(99).normal(size=(64, DIMENSIONS))[:intents]
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(intents), each)
    views = [unit(middles[labels] + spread * random.normal(size=(len(labels), DIMENSIONS))) for _ in range(3)]
    return np.hstack(views), labels


def strangers(count: int) -> np.ndarray:
    """Vectors around directions that no intent has."""
    middles = np.random.default_rng(5).normal(size=(count, DIMENSIONS))
    random = np.random.default_rng(6)
    return np.hstack([unit(middles + 0.6 * random.normal(size=middles.shape)) for _ in range(3)])


def trained(names: list[str] | None = None, each: int = 20) -> Head:
    vectors, labels = clouds(each)
    names = names or [f"i{index}" for index in range(INTENTS)]
    head, _ = train(Rows(vectors, DIMENSIONS), labels, names, lambda _share, _step: None)
    return head


def test_logistic_regression_separates_what_can_be_separated() -> None:
    vectors, labels = clouds(20)
    weights = linear.fit(vectors, labels, INTENTS, strength=25.0)
    assert weights.shape == (3 * DIMENSIONS + 1, INTENTS)
    assert (linear.scores(weights, vectors).argmax(axis=1) == labels).mean() > 0.99


def test_what_all_rows_share_changes_no_scores() -> None:
    vectors, labels = clouds(20)
    asked = clouds(3, seed=1)[0]
    near = linear.fit(vectors, labels, INTENTS, strength=25.0, iterations=200, tolerance=1e-7)
    far = linear.fit(vectors + 3, labels, INTENTS, strength=25.0, iterations=200, tolerance=1e-7)
    assert np.allclose(linear.scores(near, asked), linear.scores(far, asked + 3), atol=0.05)


def test_kernel_regression_knows_its_examples_and_what_lies_near() -> None:
    vectors, labels = clouds(10)
    examples = vectors[:, -DIMENSIONS:]
    say = kernel.fit(examples, labels, INTENTS)
    assert (kernel.scores(say, examples, examples).argmax(axis=1) == labels).all()
    asked, truth = clouds(10, seed=2)
    assert (kernel.scores(say, examples, asked[:, -DIMENSIONS:]).argmax(axis=1) == truth).mean() > 0.9


def test_the_minimum_of_a_quadratic_is_found() -> None:
    scale = np.linspace(1, 30, 10).astype(np.float32)

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        return float((scale * (point - 2) ** 2).sum()), (2 * scale * (point - 2)).astype(np.float32)

    found = linear.minimise(loss, np.zeros(10, dtype=np.float32), iterations=100, tolerance=1e-10)
    assert np.allclose(found, 2, atol=1e-2)


def test_both_ways_to_a_metric_agree() -> None:
    """Fewer rows than dimensions go another way; repeated, the same rows are as many as there are dimensions."""
    vectors, labels = clouds(8)
    few = metric.fit(vectors[::2], labels[::2], INTENTS)
    often = metric.fit(np.tile(vectors[::2], (4, 1)), np.tile(labels[::2], 4), INTENTS)
    seen, unseen = vectors[::2], vectors[1::2]
    left = few.apply(unseen) @ few.apply(seen).T
    assert np.allclose(left, often.apply(unseen) @ often.apply(seen).T, atol=2e-3)


def test_neighbours_speak_for_their_intents() -> None:
    vectors, labels = clouds(10)
    found = metric.neighbours(unit(vectors), labels, INTENTS, unit(vectors[:5]), count=3)
    assert np.allclose(found.shares.sum(axis=1), 1, atol=1e-5)
    assert (found.shares.argmax(axis=1) == labels[:5]).all()
    assert np.allclose(found.nearest, 1, atol=1e-5)


def test_mixing_trusts_the_learner_that_is_right() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 400)
    good = np.full((400, 4), -4.0, dtype=np.float32)
    good[np.arange(400), labels] = -0.05
    noise = np.log(random.dirichlet(np.ones(4), 400)).astype(np.float32)
    weights = mixing.fit(np.stack([good, noise]), labels)
    assert (weights >= 0).all()
    assert weights[0] > 3 * weights[1]


def test_logistic_regression_with_two_outcomes_keeps_to_what_was_known_without_data() -> None:
    before = np.array([1.0, -2.0])
    assert np.allclose(binary.fit(np.zeros((0, 1)), np.zeros(0), before, pull=1.0), before)
    rows = np.linspace(-3, 3, 200)[:, None]
    found = binary.fit(rows, (rows[:, 0] > 0).astype(float), before, pull=0.01)
    assert found[0] > 2


def test_a_trained_head_knows_its_intents_and_refuses_others() -> None:
    head = trained()
    vectors, labels = clouds(10, seed=3)
    verdicts = head.classify(Rows(vectors, DIMENSIONS))
    right = [one.intent == f"i{label}" for one, label in zip(verdicts, labels, strict=True)]
    assert np.mean(right) > 0.9
    assert all(0 <= one.confidence <= 1 for one in verdicts)
    refused = [one.intent == OUT_OF_SCOPE for one in head.classify(Rows(strangers(60), DIMENSIONS))]
    assert np.mean(refused) > 0.7


def test_an_intent_named_out_of_scope_teaches_what_to_refuse() -> None:
    head = trained([*(f"i{index}" for index in range(INTENTS - 1)), OUT_OF_SCOPE])
    vectors, labels = clouds(10, seed=3)
    verdicts = head.classify(Rows(vectors[labels == INTENTS - 1], DIMENSIONS))
    assert all(one.intent == OUT_OF_SCOPE for one in verdicts)
    assert all(one.scores[0][0] == OUT_OF_SCOPE for one in verdicts)


def test_named_strangers_are_refused_and_the_known_are_kept() -> None:
    vectors, labels = clouds(30)
    named = strangers(60)
    names = [*(f"i{index}" for index in range(INTENTS)), OUT_OF_SCOPE]
    rows = Rows(np.vstack([vectors, named[:40]]), DIMENSIONS)
    every = np.concatenate([labels, np.full(40, INTENTS)])
    head, measured = train(rows, every, names, lambda _share, _step: None)
    asked, truth = clouds(20, seed=3)
    right = [
        one.intent == f"i{label}" for one, label in zip(head.classify(Rows(asked, DIMENSIONS)), truth, strict=True)
    ]
    assert np.mean(right) > 0.95
    assert measured.out_of_scope_recall is not None
    refused = [one.intent == OUT_OF_SCOPE for one in head.classify(Rows(named[40:], DIMENSIONS))]
    assert np.mean(refused) > 0.7


def test_aids_are_learned_from_and_not_measured() -> None:
    vectors, labels = clouds(6, spread=1.2)
    middles = clouds(1, spread=0.0)[0]
    names = [f"i{index}" for index in range(INTENTS)]
    rows, every = Rows(np.vstack([vectors, middles]), DIMENSIONS), np.concatenate([labels, np.arange(INTENTS)])
    head, measured = train(rows, every, names, lambda _share, _step: None, aids=INTENTS)
    assert len(measured.predicted) == len(measured.refused) == len(measured.confidence) == len(labels)
    alone, _ = train(Rows(vectors, DIMENSIONS), labels, names, lambda _share, _step: None)
    asked, truth = clouds(30, seed=4, spread=1.2)

    def right(each: Head) -> int:
        verdicts = each.classify(Rows(asked, DIMENSIONS))
        return sum(one.intent == f"i{label}" for one, label in zip(verdicts, truth, strict=True))

    assert right(head) > right(alone)


def test_the_same_examples_give_the_same_head() -> None:
    assert codec.encode(trained()) == codec.encode(trained())


def test_few_examples_give_a_head_at_once() -> None:
    vectors, labels = clouds(3)
    texts = [f"text of {label}" for label in labels]
    head = fit_unmeasured(Rows.of(vectors, DIMENSIONS, texts), labels, [f"i{index}" for index in range(INTENTS)])
    asked, truth = clouds(5, seed=4)
    verdicts = head.classify(Rows.of(asked, DIMENSIONS, [f"text of {label}" for label in truth]))
    assert np.mean([one.intent == f"i{label}" for one, label in zip(verdicts, truth, strict=True)]) > 0.9


def test_bytes_give_back_a_head_that_says_the_same() -> None:
    head = trained()
    again = codec.decode(codec.encode(head))
    rows = Rows(np.vstack([clouds(5, seed=8)[0], strangers(20)]), DIMENSIONS)
    for left, right in zip(head.classify(rows), again.classify(rows), strict=True):
        assert left.intent == right.intent
        assert left.confidence == pytest.approx(right.confidence, abs=0.02)


@pytest.mark.parametrize("change", ["wide", "labels", "mixing", "judge_weights", "meta"])
def test_damaged_bytes_are_no_head(change: str) -> None:
    with np.load(io.BytesIO(codec.encode(trained()))) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays[change] = arrays[change][:-1]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with pytest.raises(codec.BadHeadError):
        codec.decode(buffer.getvalue())


def test_heads_of_before_the_kernel_still_load() -> None:
    with np.load(io.BytesIO(codec.encode(trained()))) as archive:
        arrays = {key: archive[key] for key in archive.files if key != "kernel"}
    buffer = io.BytesIO()
    np.savez(buffer, **{**arrays, "mixing": arrays["mixing"][:5], "limit": arrays["limit"] * np.array([0, 1])})
    head = codec.decode(buffer.getvalue())
    vectors, labels = clouds(5, seed=3)
    verdicts = head.classify(Rows(vectors, DIMENSIONS))
    assert np.mean([one.intent == f"i{label}" for one, label in zip(verdicts, labels, strict=True)]) > 0.9


def test_a_kernel_of_other_examples_is_no_head() -> None:
    with np.load(io.BytesIO(codec.encode(trained()))) as archive:
        arrays = {key: archive[key] for key in archive.files}
    buffer = io.BytesIO()
    np.savez(buffer, **{**arrays, "kernel": arrays["kernel"][:-1]})
    with pytest.raises(codec.BadHeadError):
        codec.decode(buffer.getvalue())


def test_numbers_that_are_none_and_pickles_are_no_head() -> None:
    with np.load(io.BytesIO(codec.encode(trained()))) as archive:
        arrays = {key: archive[key] for key in archive.files}
    for name, value in (("trust", np.array([1.0, np.nan, 0.0])), ("trust", np.array([object()] * 3))):
        buffer = io.BytesIO()
        np.savez(buffer, **{**arrays, name: value})
        with pytest.raises(codec.BadHeadError):
            codec.decode(buffer.getvalue())
    with pytest.raises(codec.BadHeadError):
        codec.decode(b"no archive")


def test_verdicts_below_the_limit_are_refusals_that_grow_surer() -> None:
    mixed = np.log(np.array([[0.9, 0.1]] * 3, dtype=np.float32))
    verdicts = decide(["a", "b"], mixed, np.array([0.9, 0.09, 0.01]), 0.1, usual_trust())
    assert [one.intent for one in verdicts] == ["a", OUT_OF_SCOPE, OUT_OF_SCOPE]
    assert 0.5 <= verdicts[1].confidence < verdicts[2].confidence <= 1
    assert verdicts[1].scores[1][0] == "a"


def test_expected_calibration_error() -> None:
    assert report.expected_error([], []) == 0
    assert report.expected_error([0.8] * 10, [True] * 8 + [False] * 2) == pytest.approx(0)
    assert report.expected_error([0.9] * 10, [False] * 10) == pytest.approx(0.9)


def test_a_report_tells_confusions_and_figures() -> None:
    vectors, labels = clouds(12, spread=1.3)
    names = [f"i{index}" for index in range(INTENTS)]
    _, measured = train(Rows(vectors, DIMENSIONS), labels, names, lambda _share, _step: None)
    told = report.build(measured, labels, names, [f"text {index}" for index in range(len(labels))])
    assert told["accuracy"] <= told["accuracy_without_refusal"]
    assert told["out_of_scope_recall"] is not None
    assert [each["recall"] for each in told["intents"]] == sorted(each["recall"] for each in told["intents"])
    wrong = sum(each["count"] for each in told["confusions"])
    assert wrong == round((1 - told["accuracy"]) * len(labels))
