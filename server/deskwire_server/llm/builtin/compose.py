"""Sets the chosen units as a short Markdown reply in which every claim carries its citation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from textwrap import indent

from deskwire_server.llm.builtin.frames import Frames
from deskwire_server.llm.builtin.guard import addresses_a_model
from deskwire_server.llm.builtin.text import Kind, Unit
from deskwire_server.llm.port import Passage

_LISTS = (Kind.STEP, Kind.ITEM, Kind.ROW)
_STEP_INDENT = "   "
_SUGGESTIONS = 3
_END_MARK = re.compile(r"[.!?…:;。！？][\"'”’»)*_]*$")
_TRAILING_LINK_TEXT = re.compile(r"\s*\((?:see|more|learn more|read more|docs?)\)\s*$", re.IGNORECASE)


def answer(
    rows: Sequence[int],
    units: Sequence[Unit],
    passages: Sequence[Passage],
    frames: Frames,
    *,
    foreign: bool,
    opening: int | None = None,
    contradicting: Sequence[tuple[int, int]] = (),
) -> str:
    """The reply that quotes `rows`, given best first. `foreign`: the quotations are not in the question's language.

    `opening`: the row to begin with, whatever its place in its passage. `contradicting`: pairs of rows that are to be
    named as contradicting each other.
    """
    blocks: list[str] = [frames.foreign] if foreign else []
    for index, group in enumerate(_arranged(rows, units, opening)):
        for block in _blocks([units[row] for row in group]):
            if index == 0 and not blocks and block[0].kind is Kind.STEP:
                blocks.append(frames.steps)
            blocks.append(_set(block, passages))
    if contradicting:
        blocks.append(frames.contradict)
        named = dict.fromkeys(row for pair in contradicting for row in pair)
        blocks.append("\n".join(f"- {_quote(units[row], _cite(units[row], passages))}" for row in named))
    return "\n\n".join(blocks)


def _cite(unit: Unit, passages: Sequence[Passage]) -> str:
    return f"[{passages[unit.passage].number}]"


def _arranged(rows: Sequence[int], units: Sequence[Unit], opening: int | None) -> list[list[int]]:
    """Rows by passage, best passage first, each in the passage's order but for `opening`."""
    order = list(dict.fromkeys(units[row].passage for row in rows))
    return [
        sorted((row for row in rows if units[row].passage == passage), key=lambda row: (row != opening, row))
        for passage in order
    ]


def _blocks(group: Sequence[Unit]) -> Iterator[list[Unit]]:
    """Units that are set together: sentences as a paragraph, items of one kind as a list, code alone.

    What belongs to a step stays with it.
    """
    run: list[Unit] = []
    for unit in (_without_announcement(unit, after) for unit, after in zip(group, [*group[1:], None], strict=True)):
        if run and not _goes_on(run, unit):
            yield run
            run = []
        run.append(unit)
    if run:
        yield run


def _goes_on(run: Sequence[Unit], unit: Unit) -> bool:
    first = run[0]
    if first.kind is Kind.STEP:
        return unit.block == first.block
    return unit.kind is first.kind and unit.kind is not Kind.CODE


def _without_announcement(unit: Unit, after: Unit | None) -> Unit:
    """`unit`, its colon made an ellipsis where what it announces is not quoted."""
    if unit.kind is Kind.CODE or not unit.text.endswith(":"):
        return unit
    if after is not None and after.passage == unit.passage and after.order == unit.order + 1:
        return unit
    return replace(unit, text=unit.text[:-1].rstrip() + "…")


def _set(block: Sequence[Unit], passages: Sequence[Passage]) -> str:
    first = block[0]
    cite = _cite(first, passages)
    if first.kind is Kind.CODE:
        return _code(first, cite)
    if first.kind is Kind.STEP and len(block) > 1:
        return "\n".join(_steps(block, cite))
    if first.kind in _LISTS and len(block) > 1:
        return "\n".join(f"- {_quote(unit, cite)}" for unit in block)
    return " ".join(_quote(unit, cite) for unit in block)


def _steps(block: Sequence[Unit], cite: str) -> Iterator[str]:
    """Lines of a numbered list: each step with the sentences, items and code that belong to it."""
    number = 0
    for unit in block:
        match unit.kind:
            case Kind.STEP:
                number += 1
                yield f"{number}. {_quote(unit, cite)}"
            case Kind.CODE:
                yield indent(_code(unit, cite), _STEP_INDENT)
            case Kind.SENTENCE:
                yield f"{_STEP_INDENT}{_quote(unit, cite)}"
            case _:
                yield f"{_STEP_INDENT}- {_quote(unit, cite)}"


def _code(unit: Unit, cite: str) -> str:
    fence = "~~~" if "```" in unit.text else "```"
    return f"{fence}{unit.info}\n{unit.text}\n{fence}\n{cite}"


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
        if title and len(titles) < _SUGGESTIONS and not addresses_a_model(title):
            titles.setdefault(title, passage.number)
    if not suggest or not titles:
        return f"{frames.unknown_empty} {frames.human}"
    listed = "\n".join(f"- {title} [{number}]" for title, number in titles.items())
    return f"{frames.unknown} {frames.nearest}\n\n{listed}\n\n{frames.human}"
