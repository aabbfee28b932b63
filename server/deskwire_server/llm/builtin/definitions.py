"""Finds the sentence that says what something is, for a question that asks just that."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deskwire_server.llm.builtin.choose import relevant
from deskwire_server.llm.builtin.question import Question
from deskwire_server.llm.builtin.scoring import Scored
from deskwire_server.llm.builtin.terms import words
from deskwire_server.llm.builtin.text import Kind, Unit
from deskwire_server.llm.port import Passage

_ASKED = re.compile(
    r"(?:^|[.!?,]\s+)(?:and\s+|so\s+)?(?:what(?:'s|’s| is| are| does| do)|was (?:ist|sind|bedeutet|heißt)|"
    r"qu'est-ce (?:que|qu')|qué (?:es|son|significa)|o que (?:é|são|significa)|che cos'è|wat (?:is|zijn|betekent))\s+"
    r"(?:(?:the|an?|meant by|meaning of|definition of|ein\w*|der|die|das|une?|una?|um|een|de|het)\s+)*"
    r"(?P<subject>[\w'’ /-]+?)(?:\s+(?:mean|means|stand for|do))?\s*[?.!]*$",
    re.IGNORECASE,
)
_DEFINES = (
    r"(?:\s*\([^)]*\))?\s*(?:\*\*)?\s*(?::|–|—|\s-\s|(?:is|are|means?|refers? to|stands? for|describes?|shows?|"
    r"counts?|measures?|ist|sind|bedeutet|est|sont|es|son|é|são|è|sono|zijn|betekent)\b)"
)
_MOST_WORDS = 4


def defining(question: Question, scored: Scored, passages: Sequence[Passage]) -> int | None:
    """Row of the sentence that defines what `question` asks for; None where it asks for something else or none does.

    A sentence that names its subject comes before the first one under a heading that does.
    """
    subject = _subject(question.text)
    if not subject:
        return None
    near = relevant(scored.relevance)
    name = r"\s+".join(rf"{re.escape(word.removesuffix('s'))}(?:e?s)?" for word in subject)
    opens = re.compile(
        rf"^(?:\*\*|[\"“])*(?:(?:the|an?|your)\s+)?(?:\*\*|[\"“])*{name}[\"”]?(?:\*\*)?{_DEFINES}", re.IGNORECASE
    )
    headed = re.compile(rf"^\W*(?:what (?:is|are)\s+)?(?:(?:the|an?)\s+)?{name}\W*$", re.IGNORECASE)
    named: list[int] = []
    below: list[int] = []
    for row, unit in enumerate(scored.units):
        if unit.passage not in near or unit.kind in (Kind.CODE, Kind.STEP) or unit.text.rstrip().endswith((":", "?")):
            continue
        if opens.match(unit.text):
            named.append(row)
        elif unit.kind is Kind.SENTENCE and _is_first(row, scored.units) and headed.match(_heading(unit, passages)):
            below.append(row)
    found = named or below
    return max(found, key=lambda row: (float(scored.scores[row]), -row)) if found else None


def _subject(text: str) -> list[str]:
    match = _ASKED.search(text.strip())
    subject = words(match["subject"]) if match else []
    return subject if len(subject) <= _MOST_WORDS else []


def _heading(unit: Unit, passages: Sequence[Passage]) -> str:
    passage = passages[unit.passage]
    return unit.heading or (passage.heading_path[-1] if passage.heading_path else passage.title)


def _is_first(row: int, units: Sequence[Unit]) -> bool:
    """Whether nothing stands between the unit and its heading."""
    before = units[row - 1] if row else None
    return before is None or (before.passage, before.heading) != (units[row].passage, units[row].heading)
