"""Trains the heads of the built-in analyses on the development halves: `python -m benchmarks.eval.train_heads`.

Prints cross-validated figures; with `--write` it stores the heads in the package. The test halves are never read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.eval import labelled
from benchmarks.eval.calibration import error_of
from benchmarks.eval.softmax import shares, train
from deskwire_server.embeddings.minilm import MiniLM
from deskwire_server.understanding import features as room
from deskwire_server.understanding.analyses.satisfaction import course
from deskwire_server.understanding.analyses.sentiment import sentiment_of
from deskwire_server.understanding.features import feature_names, features
from deskwire_server.understanding.heads import EMBEDDER_DIMENSIONS, inputs
from deskwire_server.understanding.language import detect_language

_TARGET = Path(room.__file__).with_name("heads.npz")
_FOLDS = 10
Values = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Task:
    name: str
    labels: tuple[str, ...]
    penalties: tuple[float, float]
    """L2 of the features and of the embedding."""
    balance: float = 0.5
    repeats: int = 1
    """Divisions into folds that confidence is calibrated over: few rows need several."""


_TASKS = (
    _Task("sentiment", ("negative", "neutral", "positive"), (2.0, 25.0)),
    _Task("urgency", ("low", "normal", "high", "critical"), (2.0, 12.0), 0.3),
    _Task("confusion", ("clear", "confused"), (2.0, 12.0), 0.7),
)


def main() -> int:
    """Train, print, and store with `--write`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eval.train_heads", description=__doc__)
    parser.add_argument("--write", action="store_true", help="store the heads in the package")
    parser.add_argument("--misses", action="store_true", help="list what cross-validation gets wrong")
    options = parser.parse_args()
    stored: dict[str, NDArray[np.generic]] = {"features": np.array(feature_names())}
    rows = labelled.messages("development")
    texts = [row.text for row in rows]
    lexical = np.stack([features(text).values for text in texts])
    natural = np.array([not row.hard for row in rows])
    english = np.array([detect_language(text) == "en" for text in texts])
    embedder = MiniLM.load()
    vectors = embedder.embed(texts)
    whole = np.stack([inputs(values, vector) for values, vector in zip(lexical, vectors, strict=True)])
    everything = np.full(len(rows), True)
    for task in _TASKS:
        wanted = np.array([task.labels.index(row.label(task.name)) for row in rows])
        for kind, given, learned, asked in (
            ("full", whole, english, natural & english),
            ("words", lexical, everything, natural & english),
            ("foreign", lexical, everything, natural & ~english),
        ):
            told = [text for text, kept in zip(texts, learned, strict=True) if kept] if options.misses else []
            name = f"{task.name}.{kind}"
            weights = _fit(name, given[learned], wanted[learned], asked[learned], task, told)
            stored |= {f"{name}.weights": weights, f"{name}.labels": np.array(task.labels)}
    if options.write:
        _write(stored)  # the course of a conversation reads sentiment from the heads before
    stored |= _satisfaction(embedder, show_misses=options.misses)
    if options.write:
        _write(stored)
        print(f"wrote {_TARGET}")
    return 0


def _satisfaction(embedder: MiniLM, *, show_misses: bool) -> dict[str, NDArray[np.generic]]:
    """The heads over the course of a conversation, with and without the embedding of its user's last message."""
    conversations = labelled.conversations("development")
    lasts = [next(one.text for one in reversed(each.messages) if one.role == "user") for each in conversations]
    openings = [each.messages[0].text for each in conversations]  # those that open alike stay in one fold
    told = [" / ".join(message.text for message in each.messages) for each in conversations]
    wanted = np.array([int(each.satisfied) for each in conversations])
    fresh = np.array([each.fresh for each in conversations])
    english = np.array([detect_language(text) == "en" for text in lasts])
    everything = np.full(len(lasts), True)
    lexical = [features(text).values for text in lasts]
    vectors = embedder.embed(lasts)
    stored: dict[str, NDArray[np.generic]] = {}
    for kind, task, learned in (
        ("full", _Task("satisfaction", ("unsatisfied", "satisfied"), (1.0, 2.0), 0.0, repeats=8), english),
        ("words", _Task("satisfaction", ("unsatisfied", "satisfied"), (0.5, 0.0), 0.0, repeats=8), everything),
    ):
        rows = []
        for index in np.flatnonzero(learned):
            vector = vectors[index] if kind == "full" else None
            mood = sentiment_of(lexical[index], vector, is_foreign=not english[index]).score
            rows.append(inputs(course(conversations[index].messages, mood), vector))
        name = f"satisfaction.{kind}"
        group = np.unique([openings[index] for index in np.flatnonzero(learned)], return_inverse=True)[1]
        shown = [text for text, kept in zip(told, learned, strict=True) if kept and show_misses]
        stored[f"{name}.weights"] = _fit(name, np.stack(rows), wanted[learned], fresh[learned], task, shown, group)
        stored[f"{name}.labels"] = np.array(task.labels)
    return stored


def _fit(
    name: str,
    given: Values,
    wanted: Labels,
    asked: NDArray[np.bool_],
    task: _Task,
    texts: Sequence[str],
    group: Labels | None = None,
) -> NDArray[np.float16]:
    """Weights from all rows, calibrated on those that are like what the head is `asked`, after a cross-validation.

    Its figures are of those rows. Of `texts`, where they are given, those that it gets wrong are printed too. Rows of
    one `group` are held out together.
    """
    penalty = np.full(given.shape[1], task.penalties[0], dtype=np.float32)
    if given.shape[1] > EMBEDDER_DIMENSIONS:
        penalty[-EMBEDDER_DIMENSIONS:] = task.penalties[1]
    scores = np.concatenate([
        _held_out(given, wanted, task, penalty, fold) for fold in _divisions(len(given), group, task.repeats)
    ])  # fmt: skip
    asked, labels = np.tile(asked, task.repeats), np.tile(wanted, task.repeats)
    sharpness = _sharpness(scores[asked], labels[asked])
    predicted = shares(sharpness * scores)
    best = predicted.argmax(axis=1)
    right = best == labels
    score = labelled.macro_f1(*([task.labels[each] for each in some[asked]] for some in (labels, best)))
    error = error_of(predicted.max(axis=1)[asked], right[asked])
    print(f"{name:18} learned {len(given):4}, asked {asked.sum() // task.repeats:3}: accuracy "
          f"{right[asked].mean():.3f} (of all {right.mean():.3f})  macro F1 {score:.3f}  calibration error "
          f"{error:.3f}")  # fmt: skip
    for index, text in enumerate(texts):
        if not right[index]:
            print(f"    {task.labels[wanted[index]]} read as {task.labels[best[index]]} "
                  f"{predicted[index].max():.2f}: {text}")  # fmt: skip
    weights = sharpness * train(given, wanted, len(task.labels), penalty, balance=task.balance)
    return weights.astype(np.float16)


def _divisions(count: int, group: Labels | None, repeats: int) -> Iterator[Labels]:
    """The fold of each row, `repeats` times."""
    if group is None:
        group = np.arange(count)
    generator = np.random.default_rng(0)
    yield group % _FOLDS
    for _ in range(repeats - 1):
        yield generator.permutation(int(group.max()) + 1)[group] % _FOLDS


def _held_out(given: Values, wanted: Labels, task: _Task, penalty: Values, fold: Labels) -> Values:
    """Scores of each row by weights that saw none of its fold."""
    scores = np.zeros((len(given), len(task.labels)), dtype=np.float32)
    for index in range(_FOLDS):
        kept = fold != index
        weights = train(given[kept], wanted[kept], len(task.labels), penalty, balance=task.balance)
        scores[~kept] = given[~kept] @ weights[:-1] + weights[-1]
    return scores


def _sharpness(scores: Values, wanted: Labels) -> np.float32:
    """The factor of all scores that makes the labels of rows not trained on likeliest."""

    def surprise(factor: np.float32) -> float:
        return float(-np.log(shares(factor * scores)[np.arange(len(wanted)), wanted] + 1e-9).mean())

    return min((np.float32(0.05 * step) for step in range(10, 81)), key=surprise)


def _write(stored: dict[str, NDArray[np.generic]]) -> None:
    with _TARGET.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **stored)
    from deskwire_server.understanding import heads

    heads._heads.cache_clear()


if __name__ == "__main__":
    raise SystemExit(main())
