"""The labelled sets are sound: halves apart, labels known, spans right, enough rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.eval import labelled

FOLDER = Path(labelled.__file__).parent
LABELS = {
    "sentiment": {"negative", "neutral", "positive"},
    "urgency": {"low", "normal", "high", "critical"},
    "confusion": {"clear", "confused"},
}


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", ["messages.jsonl", "language.jsonl", "entities.jsonl", "satisfaction.jsonl"])
def test_halves_are_apart_and_large_enough(name: str) -> None:
    halves: dict[str, set[str]] = {"development": set(), "test": set()}
    for row in rows(name):
        halves[row["half"]].add(row.get("text") or json.dumps(row["messages"]))
    assert not halves["development"] & halves["test"]
    assert len(halves["test"]) >= 150
    assert len(halves["development"]) >= 80


def test_labels_are_those_of_the_guideline() -> None:
    for half in ("development", "test"):
        found = labelled.messages(half)  # type: ignore[arg-type]
        for task, labels in LABELS.items():
            assert {row.label(task) for row in found} == labels
    assert len({language for _, language in labelled.languages("test")}) >= 20


def test_satisfaction_is_calibrated_on_conversations_that_the_word_lists_never_saw() -> None:
    fresh = [row for row in labelled.conversations("development") if row.fresh]
    assert len(fresh) >= 100
    assert {row.satisfied for row in fresh} == {True, False}
    assert not any(row.fresh for row in labelled.conversations("test"))


def test_spans_are_code_points_of_the_text() -> None:
    for row in rows("entities.jsonl"):
        for entity in row["entities"]:
            assert row["text"][entity["start"] : entity["end"]] == entity["text"]


def test_macro_f1() -> None:
    assert labelled.macro_f1(["a", "a", "b"], ["a", "a", "b"]) == 1
    assert labelled.macro_f1(["a", "a", "b"], ["a", "b", "b"]) == pytest.approx(2 / 3)
    assert labelled.macro_f1(["a", "b"], ["c", "c"]) == 0
