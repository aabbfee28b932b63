"""Chooses the units of an answer: the best ones, what completes them, nothing twice, within a size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from deskwire_server.llm.builtin.question import Asks, Question
from deskwire_server.llm.builtin.scoring import Scored
from deskwire_server.llm.builtin.text import Kind, Unit

_LEANS_BACK = re.compile(
    r"^(?:this|that|these|those|it|they|he|she|such|otherwise|then|also|however|instead|therefore|so|in (?:this|"
    r"that) case|"
    r"if (?:so|not|that)|for example|for instance|e\.g\.|to do (?:this|so|that)|after (?:this|that)|but|and|or|"
    r"additionally|"
    r"furthermore|alternatively|once (?:this|that|done)|dies|diese\w*|das|dann|ces?|cela|esto|isso|questo|dit|deze)\b",
    re.IGNORECASE,
)
_ALIKE = 0.8
_LEAST_SHARE = 0.65
"""Units with less than this share of the best score stay out."""
_LIST_SHARE = 0.8
"""A step brings the other steps of its list along from this share of the best score on."""
_LONE_STEP_SHARE = 0.8
"""A step without its list means little: below this share of the best score it stays out."""
_SHORT_CODE = 200
"""Code of up to so many characters is shown with the sentence that leads to it, asked for or not."""
_LIST_COST = 0.6
"""What a list item takes of the room that a sentence takes."""


@dataclass(frozen=True, slots=True)
class Room:
    """How long an answer may get."""

    sentences: float = 8.0
    characters: int = 1_400
    steps: int = 9
    passages: int = 4
    repeat: float = 0.05
    """What each further unit of a passage costs it, in points of score."""


@dataclass(slots=True)
class _Draft:
    room: Room
    rows: list[int]
    cost: float = 0.0
    characters: int = 0

    def add(self, row: int, unit: Unit) -> bool:
        """Take the unit in where it fits; whether it did."""
        cost = 1.0 if unit.kind in (Kind.SENTENCE, Kind.CODE) else _LIST_COST
        if self.rows and (
            self.cost + cost > self.room.sentences or self.characters + len(unit.text) > self.room.characters
        ):
            return False
        self.rows.append(row)
        self.cost += cost
        self.characters += len(unit.text)
        return True


def choose(question: Question, scored: Scored, room: Room = Room()) -> list[int]:
    """Rows of the chosen units, in the order they were chosen: the first is the most direct answer."""
    units, scores = scored.units, scored.scores
    wants_code = Asks.CODE in question.asks
    quotable = [row for row, unit in enumerate(units) if unit.kind is not Kind.CODE or wants_code]
    if not quotable:
        return []
    best = float(max(scores[row] for row in quotable))
    left = {row: float(scores[row]) for row in quotable if scores[row] >= min(best, best * _LEAST_SHARE)}
    draft = _Draft(room, [])
    while left and draft.cost < room.sentences:
        given = Counter(units[row].passage for row in draft.rows)
        # What a passage adds is the less new, the more it has given already.
        row = max(left, key=lambda row: (left[row] - room.repeat * given[units[row].passage], -row))
        score = left.pop(row)
        if _repeats(row, draft.rows, units) or not _may_join(units[row], draft.rows, units, room):
            continue
        if units[row].kind is Kind.STEP and score < best * _LONE_STEP_SHARE:
            continue
        for companion in _companions(row, units, whole_list=score >= best * _LIST_SHARE):
            if companion not in draft.rows and not _repeats(companion, draft.rows, units):
                draft.add(companion, units[companion])
    return draft.rows


def _may_join(unit: Unit, rows: Sequence[int], units: Sequence[Unit], room: Room) -> bool:
    used = {units[row].passage for row in rows}
    return unit.passage in used or len(used) < room.passages


def _companions(row: int, units: Sequence[Unit], *, whole_list: bool) -> list[int]:
    """`row` with what it can't stand without: the sentence it leans back on, the list it introduces or belongs to."""
    unit = units[row]
    rows = [row]
    if unit.kind is Kind.SENTENCE and _LEANS_BACK.match(unit.text) and _is_before(row, units) is not None:
        rows.append(row - 1)
    if unit.kind in (Kind.SENTENCE, Kind.STEP) and unit.text.rstrip().endswith(":"):
        rows.extend(_following_list(row, units))
    if unit.kind is Kind.STEP and whole_list:
        rows.extend(near for near in _same_block(row, units) if near != row)
    return rows


def _is_before(row: int, units: Sequence[Unit]) -> int | None:
    if row == 0:
        return None
    before, unit = units[row - 1], units[row]
    same = before.passage == unit.passage and before.kind is Kind.SENTENCE and before.heading == unit.heading
    return row - 1 if same and unit.block - before.block <= 1 else None


def _following_list(row: int, units: Sequence[Unit]) -> list[int]:
    rows = []
    for near in range(row + 1, len(units)):
        unit = units[near]
        if unit.passage != units[row].passage or unit.kind is Kind.SENTENCE or unit.block - units[row].block > 1:
            break
        if unit.kind is Kind.CODE and len(unit.text) > _SHORT_CODE:
            break
        rows.append(near)
    return rows


def _same_block(row: int, units: Sequence[Unit]) -> list[int]:
    """The steps of one list in their order."""
    unit = units[row]
    return [
        near
        for near, other in enumerate(units)
        if other.passage == unit.passage and other.block == unit.block and other.kind is Kind.STEP
    ]


def _repeats(row: int, rows: Sequence[int], units: Sequence[Unit]) -> bool:
    words = _bag(units[row].text)
    return any(row == other or _overlap(words, _bag(units[other].text)) >= _ALIKE for other in rows)


@lru_cache(maxsize=4_096)
def _bag(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    smaller = min(len(one), len(other))
    return len(one & other) / smaller if smaller >= 3 else float(one == other and bool(one))
