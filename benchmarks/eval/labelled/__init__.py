"""Reads the labelled sets beside it. What the labels mean is in `GUIDELINE.md`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deskwire_server.understanding.analyses.port import PastMessage

Half = Literal["development", "test"]
_FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class LabelledMessage:
    """A message with what its writer feels and needs."""

    text: str
    sentiment: str
    urgency: str
    confused: bool
    hard: bool = False
    """Whether it was written to be hard: such rows teach, but messages do not come in their mix."""

    def label(self, task: str) -> str:
        """The label of `sentiment`, `urgency` or `confusion`."""
        if task == "confusion":
            return "confused" if self.confused else "clear"
        return self.sentiment if task == "sentiment" else self.urgency


@dataclass(frozen=True, slots=True)
class LabelledConversation:
    """A conversation with whether its user went away content."""

    messages: tuple[PastMessage, ...]
    satisfied: bool
    fresh: bool = False
    """Whether it was written after the word lists, which know the wordings of the others."""


@dataclass(frozen=True, slots=True)
class LabelledEntities:
    """A message with what it mentions."""

    text: str
    entities: frozenset[tuple[str, str, str]]
    """Type, text as written, and normalised value (empty where the set gives none)."""


def messages(half: Half) -> list[LabelledMessage]:
    """The messages of one half."""
    return [
        LabelledMessage(row["text"], row["sentiment"], row["urgency"], row["confused"], row.get("hard", False))
        for row in _rows("messages.jsonl", half)
    ]


def languages(half: Half) -> list[tuple[str, str]]:
    """Texts of one half with their languages."""
    return [(row["text"], row["language"]) for row in _rows("language.jsonl", half)]


def conversations(half: Half) -> list[LabelledConversation]:
    """The conversations of one half."""
    return [
        LabelledConversation(
            tuple(PastMessage(each["role"], each["text"]) for each in row["messages"]),
            row["satisfied"],
            row.get("fresh", False),
        )
        for row in _rows("satisfaction.jsonl", half)
    ]


def entities(half: Half) -> list[LabelledEntities]:
    """The messages of one half with their entities."""
    return [
        LabelledEntities(
            row["text"], frozenset((each["type"], each["text"], each.get("value", "")) for each in row["entities"])
        )
        for row in _rows("entities.jsonl", half)
    ]


def macro_f1(wanted: list[str], given: list[str]) -> float:
    """Mean of the F1 of each label that is wanted anywhere."""
    scores = []
    for label in sorted(set(wanted)):
        right = sum(one == two == label for one, two in zip(wanted, given, strict=True))
        scores.append(2 * right / (wanted.count(label) + given.count(label)) if right else 0.0)
    return sum(scores) / len(scores)


def _rows(name: str, half: Half) -> Iterator[dict[str, Any]]:
    for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["half"] == half:
            yield row
