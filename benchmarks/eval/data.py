"""Finds and reads the evaluation data: a help centre, and questions with the articles that answer them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

DATA_VARIABLE = "DESKWIRE_EVAL_DATA"
"""Names the folder of the data; `../shared/data` beside the project by default."""

_PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what answers it."""

    id: str
    text: str
    kind: str
    """`answerable`, `followup` or `unanswerable`."""
    style: str
    gold: frozenset[str]
    """Source paths of the articles that answer it."""
    answer_points: tuple[str, ...]
    history: tuple[tuple[str, str], ...]
    """Role and text of each message before it, oldest first."""


def data_folder() -> Path:
    """Where the data lies, whether or not it is there."""
    return Path(os.environ.get(DATA_VARIABLE) or _PROJECT.parent / "shared" / "data").resolve()


def help_centre(folder: Path) -> Path | None:
    """Folder of the articles, None where it is absent."""
    found = folder / "helpcenter"
    return found if found.is_dir() else None


def questions(folder: Path) -> list[Question] | None:
    """The development questions, None where they are absent."""
    file = folder / "questions-dev.jsonl"
    if not file.is_file():
        return None
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        Question(
            id=row["id"], text=row["question"], kind=row["kind"], style=row.get("style", ""),
            gold=frozenset(row.get("gold", ())), answer_points=tuple(row.get("answer_points", ())),
            history=tuple((message["role"], message["content"]) for message in row.get("history", ())),
        )
        for row in rows
    ]  # fmt: skip
