"""Trains the heads of the built-in analyses on the development halves: `python -m benchmarks.eval.train_heads`.

Prints cross-validated figures; with `--write` it stores the heads in the package. The test halves are never read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.eval import labelled
from benchmarks.eval.softmax import shares, train
from deskwire_server.embeddings.minilm import MiniLM
from deskwire_server.understanding import features as room
from deskwire_server.understanding.analyses.satisfaction import course
from deskwire_server.understanding.features import feature_names, features
from deskwire_server.understanding.heads import EMBEDDER_DIMENSIONS, inputs
from deskwire_server.understanding.language import detect_language

_TARGET = Path(room.__file__).with_name("heads.npz")
_FOLDS = 5
Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Task:
    name: str
    labels: tuple[str, ...]
    penalties: tuple[float, float]
    """L2 of the features and of the embedding."""
    balance: float = 0.5


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
    english = np.array([detect_language(text) == "en" for text in texts])
    vectors = MiniLM.load().embed(texts)
    whole = np.stack([inputs(values, vector) for values, vector in zip(lexical, vectors, strict=True)])
    for task in _TASKS:
        wanted = np.array([task.labels.index(row.label(task.name)) for row in rows])
        for kind, given, chosen in (("words", lexical, np.full(len(rows), True)), ("full", whole, english)):
            chosen_texts = [text for text, kept in zip(texts, chosen, strict=True) if kept]
            weights = _fit(f"{task.name}.{kind}", given[chosen], wanted[chosen], task, chosen_texts, options.misses)
            stored |= {f"{task.name}.{kind}.weights": weights, f"{task.name}.{kind}.labels": np.array(task.labels)}
    if options.write:
        _write(stored)  # the course of a conversation reads sentiment from the heads before
    conversations = labelled.conversations("development")
    given = np.stack([course(each.messages) for each in conversations])
    wanted = np.array([int(each.satisfied) for each in conversations])
    task = _Task("satisfaction", ("unsatisfied", "satisfied"), (3.0, 0.0))
    texts = [" / ".join(message.text for message in each.messages) for each in conversations]
    stored["satisfaction.words.weights"] = _fit("satisfaction", given, wanted, task, texts, options.misses)
    stored["satisfaction.words.labels"] = np.array(task.labels)
    if options.write:
        _write(stored)
        print(f"wrote {_TARGET}")
    return 0


def _fit(
    name: str, given: Values, wanted: NDArray[np.int64], task: _Task, texts: Sequence[str], misses: bool
) -> NDArray[np.float16]:
    """Weights from all rows, after a cross-validation that is printed."""
    penalty = np.full(given.shape[1], task.penalties[0], dtype=np.float32)
    if given.shape[1] > EMBEDDER_DIMENSIONS:
        penalty[-EMBEDDER_DIMENSIONS:] = task.penalties[1]
    fold = np.arange(len(given)) % _FOLDS
    predicted = np.zeros((len(given), len(task.labels)), dtype=np.float32)
    for index in range(_FOLDS):
        kept = fold != index
        weights = train(given[kept], wanted[kept], len(task.labels), penalty, balance=task.balance)
        predicted[~kept] = shares(given[~kept] @ weights[:-1] + weights[-1])
    best = predicted.argmax(axis=1)
    score = labelled.macro_f1([task.labels[each] for each in wanted], [task.labels[each] for each in best])
    print(f"{name:20} n {len(given):4}  accuracy {np.mean(best == wanted):.3f}  macro F1 {score:.3f}  "
          f"sharpness {_sharpness(predicted, wanted):.2f}")  # fmt: skip
    if misses:
        for index in np.flatnonzero(best != wanted).tolist():
            print(f"    {task.labels[wanted[index]]} read as {task.labels[best[index]]} "
                  f"{predicted[index].max():.2f}: {texts[index]}")  # fmt: skip
    weights = train(given, wanted, len(task.labels), penalty, balance=task.balance)
    return (weights * _sharpness(predicted, wanted)).astype(np.float16)


def _sharpness(predicted: Values, wanted: NDArray[np.int64]) -> float:
    """The factor of all weights that makes the probabilities of rows not trained on likeliest: calibrated ones."""
    scores: Values = np.log(np.maximum(predicted, np.float32(1e-6)))

    def surprise(factor: float) -> float:
        return float(-np.log(shares(np.float32(factor) * scores)[np.arange(len(wanted)), wanted] + 1e-9).mean())

    return min((0.05 * step for step in range(10, 61)), key=surprise)


def _write(stored: dict[str, NDArray[np.generic]]) -> None:
    with _TARGET.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **stored)
    from deskwire_server.understanding import heads

    heads._heads.cache_clear()


if __name__ == "__main__":
    raise SystemExit(main())
