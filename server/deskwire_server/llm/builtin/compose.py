"""Sets the chosen units as a short Markdown reply in which every claim carries its citation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from deskwire_server.llm.builtin.frames import Frames
from deskwire_server.llm.builtin.text import Kind, Unit
from deskwire_server.llm.port import Passage

_LISTS = (Kind.STEP, Kind.ITEM, Kind.ROW)
_SUGGESTIONS = 3
_END_MARK = re.compile(r"[.!?…:;。！？][\"'”’»)*_]*$")
_TRAILING_LINK_TEXT = re.compile(r"\s*\((?:see|more|learn more|read more|docs?)\)\s*$", re.IGNORECASE)


def answer(
    rows: Sequence[int], units: Sequence[Unit], passages: Sequence[Passage], frames: Frames, *, foreign: bool
) -> str:
    """The reply that quotes `rows`, given best first. `foreign`: the quotations are not in the question's language."""
    blocks: list[str] = [frames.foreign] if foreign else []
    for index, group in enumerate(_arranged(rows, units)):
        for block in _blocks([units[row] for row in group], passages):
            if index == 0 and len(blocks) == (1 if foreign else 0) and block[0].kind is Kind.STEP and not foreign:
                blocks.append(frames.steps)
            blocks.append(_set(block, passages))
    return "\n\n".join(blocks)


def _arranged(rows: Sequence[int], units: Sequence[Unit]) -> list[list[int]]:
    """Rows by passage, best passage first, each in the passage's order, the most direct sentence of all in front."""
    order = list(dict.fromkeys(units[row].passage for row in rows))
    groups = [sorted(row for row in rows if units[row].passage == passage) for passage in order]
    first = rows[0]
    if units[first].kind is Kind.SENTENCE and not units[first].text.endswith(":") and groups[0][0] != first:
        before = units[first - 1] if first else None
        leans = before is not None and first - 1 in groups[0] and before.block == units[first].block
        if not leans:
            groups[0] = [first, *(row for row in groups[0] if row != first)]
    return groups


def _blocks(group: Sequence[Unit], passages: Sequence[Passage]) -> Iterator[list[Unit]]:
    """Units that are set together: sentences as a paragraph, items of one kind as a list, code alone."""
    for kind, run in groupby(group, key=lambda unit: unit.kind):
        members = list(run)
        if kind is Kind.CODE:
            yield from ([member] for member in members)
        elif kind is Kind.STEP:
            yield from (list(steps) for _, steps in groupby(members, key=lambda unit: unit.block))
        else:
            yield members


def _set(block: Sequence[Unit], passages: Sequence[Passage]) -> str:
    first = block[0]
    cite = f"[{passages[first.passage].number}]"
    if first.kind is Kind.CODE:
        fence = "~~~" if "```" in first.text else "```"
        return f"{fence}{first.info}\n{first.text}\n{fence}\n{cite}"
    if first.kind is Kind.STEP and len(block) > 1:
        return "\n".join(f"{place}. {_quote(unit, cite)}" for place, unit in enumerate(block, 1))
    if first.kind in _LISTS and len(block) > 1:
        return "\n".join(f"- {_quote(unit, cite)}" for unit in block)
    return " ".join(_quote(unit, cite) for unit in block)


def _quote(unit: Unit, cite: str) -> str:
    text = _TRAILING_LINK_TEXT.sub("", unit.text).strip()
    if text.count("**") % 2:
        text = text.replace("**", "")
    if not _END_MARK.search(text):
        text += "."
    return f"{text} {cite}"


def decline(passages: Sequence[Passage], frames: Frames, *, suggest: bool) -> str:
    """The reply that says that it does not know, with the nearest articles where they may be of use."""
    titles: dict[str, int] = {}
    for passage in passages:
        title = " ".join(passage.title.split())
        if title and len(titles) < _SUGGESTIONS:
            titles.setdefault(title, passage.number)
    if not suggest or not titles:
        return f"{frames.unknown_empty} {frames.human}"
    listed = "\n".join(f"- {title} [{number}]" for title, number in titles.items())
    return f"{frames.unknown} {frames.nearest}\n\n{listed}\n\n{frames.human}"
