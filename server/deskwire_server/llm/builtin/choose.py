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
_LEAST_SHARE = 0.6
"""Units with less than this share of the best score stay out."""
_LONE_STEP_SHARE = 0.8
"""A step brings its list along: below this share of the best score it stays out."""
_SHORT_CODE = 200
"""Code of up to so many characters is shown with the sentence that leads to it where the question asks how."""
_BARE_WORDS = 4
"""So few words without an end mark are a heading or a name, which says nothing alone."""
_END_MARK = re.compile(r"[.!?…;。！？][\"'”’»)*_]*$")
_LONGEST_YES = 4
"""A single word is an answer where it is as short as "Yes." is."""
_LEAST_RELEVANCE = 0.1
"""A passage with less than this share of the best one's relevance is not quoted."""
_LIST_COST = 0.6
"""What a list item takes of the room that a sentence takes."""


@dataclass(frozen=True, slots=True)
class Room:
    """How long an answer may get."""

    sentences: float = 9.0
    characters: int = 1_500
    passages: int = 5
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

    def add_list(self, rows: Sequence[int], row: int, units: Sequence[Unit]) -> None:
        """Take the steps `rows` in from the first one on, as many as fit; none where `row` would not be reached."""
        before = (list(self.rows), self.cost, self.characters)
        for step in rows:
            if step not in self.rows and not self.add(step, units[step]):
                break
        if row not in self.rows and before[0]:
            self.rows, self.cost, self.characters = before


def choose(question: Question, scored: Scored, room: Room = Room(), *, opening: int | None = None) -> list[int]:
    """Rows of the chosen units, in the order they were chosen: the first is the most direct answer.

    `opening`: a row that is to be the first one.
    """
    units, scores = scored.units, scored.scores
    wants_code = Asks.CODE in question.asks
    near = relevant(scored.relevance)
    quotable = [
        row
        for row, unit in enumerate(units)
        if unit.passage in near and (unit.kind is not Kind.CODE or wants_code) and not _is_bare(unit)
    ]
    if not quotable:
        return []
    best = float(max(scores[row] for row in quotable))
    left = {row: float(scores[row]) for row in quotable if scores[row] >= min(best, best * _LEAST_SHARE)}
    code = wants_code or Asks.STEPS in question.asks
    draft = _Draft(room, [])
    if opening is not None:
        draft.add(opening, units[opening])
    while left and draft.cost < room.sentences:
        given = Counter(units[row].passage for row in draft.rows)
        # What a passage adds is the less new, the more it has given already.
        row = max(left, key=lambda row: (left[row] - room.repeat * given[units[row].passage], -row))
        score = left.pop(row)
        if _repeats(row, draft.rows, units) or not _may_join(units[row], draft.rows, units, room):
            continue
        if units[row].kind is Kind.STEP and score < best * _LONE_STEP_SHARE:
            continue
        if units[row].kind is Kind.STEP:
            draft.add_list(_companions(row, units, code=code), row, units)
            continue
        for companion in _companions(row, units, code=code):
            if companion not in draft.rows and not _repeats(companion, draft.rows, units):
                draft.add(companion, units[companion])
    return _complete(draft.rows, units)


def relevant(relevance: Sequence[float], share: float = _LEAST_RELEVANCE) -> frozenset[int]:
    """Indices of the passages with at least `share` of the best one's relevance: as a rule, enough to be quoted."""
    least = share * max(relevance, default=0.0)
    return frozenset(index for index, value in enumerate(relevance) if value >= least)


def _is_bare(unit: Unit) -> bool:
    """Whether `unit` is but a heading or a name, which is no answer unless its list is quoted."""
    if unit.kind not in (Kind.SENTENCE, Kind.ITEM) or "`" in unit.text or any(map(str.isdigit, unit.text)):
        return False
    count = len(unit.text.split())
    return (count < _BARE_WORDS and not _END_MARK.search(unit.text)) or (count == 1 and len(unit.text) > _LONGEST_YES)


def _complete(rows: list[int], units: Sequence[Unit]) -> list[int]:
    """`rows` without the sentences that announce what is not among them."""
    taken = set(rows)
    for row in sorted(rows, reverse=True):
        if units[row].kind is not Kind.STEP and _announces(units[row]) and not _is_followed(row, taken, units):
            taken.discard(row)
    return [row for row in rows if row in taken] or rows


def _announces(unit: Unit) -> bool:
    return unit.kind is not Kind.CODE and unit.text.rstrip("* ").endswith(":")


def _is_followed(row: int, taken: set[int], units: Sequence[Unit]) -> bool:
    """Whether what `row` announces is taken too: the rest of its paragraph, or the list or code right after it."""
    if row + 1 not in taken or units[row + 1].passage != units[row].passage:
        return False
    return units[row + 1].kind is not Kind.SENTENCE or units[row + 1].block == units[row].block


def _may_join(unit: Unit, rows: Sequence[int], units: Sequence[Unit], room: Room) -> bool:
    used = {units[row].passage for row in rows}
    return unit.passage in used or len(used) < room.passages


def _companions(row: int, units: Sequence[Unit], *, code: bool) -> list[int]:
    """`row` with what it can't stand without: the sentence it leans back on, the list it introduces or belongs to.

    `code`: whether short code may come along.
    """
    unit = units[row]
    if unit.kind is Kind.STEP:
        return [
            near
            for step in _same_block(row, units)
            for near in (step, *(_following_list(step, units, code=code) if _announces(units[step]) else ()))
        ]
    rows = [row]
    if unit.kind is Kind.SENTENCE and _LEANS_BACK.match(unit.text) and _is_before(row, units) is not None:
        rows.append(row - 1)
    if _announces(unit):
        rows.extend(_following_list(row, units, code=code))
    return rows


def _is_before(row: int, units: Sequence[Unit]) -> int | None:
    if row == 0:
        return None
    before, unit = units[row - 1], units[row]
    same = before.passage == unit.passage and before.kind is Kind.SENTENCE and before.heading == unit.heading
    return row - 1 if same and unit.block - before.block <= 1 else None


def _following_list(row: int, units: Sequence[Unit], *, code: bool) -> list[int]:
    """What `row` announces: the list, or the short code, that comes next."""
    rows = []
    for near in range(row + 1, len(units)):
        unit = units[near]
        if unit.passage != units[row].passage or unit.kind is Kind.SENTENCE or unit.block - units[row].block > 1:
            break
        if unit.kind is Kind.CODE and (not code or len(unit.text) > _SHORT_CODE):
            break
        rows.append(near)
    return rows


def _same_block(row: int, units: Sequence[Unit]) -> list[int]:
    """The steps of one list in their order, with the items that belong to them."""
    unit = units[row]
    return [
        near
        for near, other in enumerate(units)
        if other.passage == unit.passage and other.block == unit.block and other.kind in (Kind.STEP, Kind.ITEM)
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
