"""Cuts an article into passages along its headings, never through a row, an item, a paragraph or a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from deskwire_server.knowledge.parse.markdown import plain

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

TARGET_WORDS = 150
"""Words a passage aims at."""
_SMALL_WORDS = 60
"""A shorter section joins its sibling."""
_HUGE_WORDS = 300
"""A longer paragraph, table or block of code is cut inside, between sentences or lines."""

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"')\]]*\s+")
_CONTAINERS = frozenset({"bullet_list_open", "ordered_list_open"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: `content[start:end]` of its article."""

    start: int
    end: int
    heading_path: tuple[str, ...]
    """Headings above the passage, outermost first, without the article's title."""
    text: str
    """Exactly `content[start:end]`."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never cut: a paragraph, an item, a row, a block of code."""

    start: int
    end: int
    words: int


@dataclass(slots=True)
class _Section:
    path: tuple[str, ...]
    units: list[_Unit]

    @property
    def words(self) -> int:
        return sum(unit.words for unit in self.units)


def chunk(content: str) -> tuple[Chunk, ...]:
    """Passages of `content`, in order, without overlap; together they hold all of its words."""
    chunks = []
    for path, units in _joined(_sections(content)):
        start, end = units[0].start, units[-1].end
        text = content[start:end]
        if any(char.isalnum() for char in text):
            chunks.append(Chunk(start, end, path, text))
    return tuple(chunks)


@cache
def _parser() -> MarkdownIt:
    # Late: only documents need it.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")


def _sections(content: str) -> list[_Section]:
    """Sections of the article, each heading with what follows it up to the next one."""
    starts = [0, *(match.end() for match in re.finditer(r"\n", content)), len(content) + 1]
    sections = [_Section((), [])]
    open_headings: list[tuple[int, str]] = []
    tokens = _parser().parse(content)
    for index, token in enumerate(tokens):
        if token.map is None or token.level != 0 or token.nesting < 0:
            continue
        if token.type == "heading_open":
            depth, title = int(token.tag[1]), plain(tokens[index + 1].content)
            while open_headings and open_headings[-1][0] >= depth:
                open_headings.pop()
            if title:
                open_headings.append((depth, title))
            sections.append(_Section(tuple(text for _, text in open_headings), []))
        for first, last in _line_ranges(tokens, index, token):
            start, end = starts[first], starts[last]
            sections[-1].units.extend(_units(content, start, end, token.type))
    return [section for section in sections if section.units]


def _line_ranges(tokens: list[Token], index: int, token: Token) -> Iterator[tuple[int, int]]:
    """Lines of the parts of a block that stay whole: each item of a list, or the block itself."""
    assert token.map is not None
    if token.type not in _CONTAINERS:
        yield token.map[0], token.map[1]
        return
    last = token.map[0]
    for item in tokens[index + 1 :]:
        if item.level == 0:
            break
        if item.type == "list_item_open" and item.level == 1 and item.map is not None:
            yield max(item.map[0], last), item.map[1]
            last = item.map[1]


def _units(content: str, start: int, end: int, kind: str) -> Iterable[_Unit]:
    end = start + len(content[start:end].rstrip())
    while start < end and content[start] == "\n":
        start += 1
    if start >= end:
        return
    words = _count(content[start:end])
    if words <= _HUGE_WORDS:
        yield _Unit(start, end, words)
        return
    separator = _SENTENCE_END if kind == "paragraph_open" else re.compile(r"\n")
    last = start
    for match in (*separator.finditer(content, start, end), None):
        stop = match.end() if match is not None else end
        if match is None or _count(content[last:stop]) >= TARGET_WORDS:
            if content[last:stop].strip():
                yield _Unit(last, last + len(content[last:stop].rstrip()), _count(content[last:stop]))
            last = stop


def _joined(sections: list[_Section]) -> Iterator[tuple[tuple[str, ...], list[_Unit]]]:
    """Runs of units that make one passage each: long sections cut, short neighbours joined."""
    path: tuple[str, ...] = ()
    pending: list[_Unit] = []
    for section in sections:
        if pending:
            common = _common(path, section.path)
            related = len(common) >= min(len(path), len(section.path)) - 1
            words = sum(unit.words for unit in pending)
            if related and min(words, section.words) < _SMALL_WORDS and words + section.words <= TARGET_WORDS:
                pending, path = [*pending, *section.units], common or path
                continue
            yield path, pending
        *whole, pending = _parts(section)
        path = section.path
        for part in whole:
            yield path, part
    if pending:
        yield path, pending


def _parts(section: _Section) -> list[list[_Unit]]:
    """Units of a section in parts of about the same size, each near the target."""
    count = max(1, round(section.words / TARGET_WORDS))
    aim = section.words / count
    parts: list[list[_Unit]] = [[]]
    words = 0
    for unit in section.units:
        over = words + unit.words - aim * len(parts)
        if parts[-1] and len(parts) < count and over > unit.words / 2:
            parts.append([])
        parts[-1].append(unit)
        words += unit.words
    return parts


def _common(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    common = []
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        common.append(one)
    return tuple(common)


def _count(text: str) -> int:
    return len(text.split())
