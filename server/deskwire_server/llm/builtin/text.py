"""Cuts a passage into the units that an answer may quote: sentences, list items, code blocks, table rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from deskwire_server.llm.builtin.guard import addresses_a_model, without_hidden
from deskwire_server.llm.builtin.sentences import split_sentences
from deskwire_server.llm.port import Passage

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_CACHED_PASSAGES = 2_048
_LONGEST_ITEM = 280
"""A list item beyond this many characters is cut into its first sentence, which stands for it, and the others."""
_LONGEST_SENTENCE = 600
_SHORTEST_SENTENCE = 3
_LONGEST_HEADING = 8

_HTML_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--.*?-->", re.DOTALL)
_CODE_SPAN = re.compile(r"(`[^`\n]+`)")
_ANCHOR = re.compile(r"\s*\{#[\w-]+\}|\[​?¶?\]\(#[^)]*\)|¶|\[\]\([^)]*\)")
_DIRECTIVE = re.compile(r"^\s*:::.*$", re.MULTILINE)
_BARE_LINK = re.compile(r"<(https?://[^>\s]+)>")
_CITATION_LIKE = re.compile(r"[\[［【]\s*\d[\d\s,，\-–—]*[\]］】]")
_END_OF_SENTENCE = re.compile(r"[.!?:;…。！？][\"'”’»)*_]*$")
_JUNK = re.compile(
    r"^(?:back to top|table of contents|on this page|read more|learn more|see also|share this|click here|edit "
    r"this page|"
    r"previous|next|image|screenshot|photo)\W*$",
    re.IGNORECASE,
)
_STEP_VERB = re.compile(
    r"^\W*(?:(?:then|next|now|finally|first|once|after|when|if|in|on|from|under)\b[^.]{0,60}?,?\s+)?(?:please\s+)?"
    r"(?:go|click|open|choose|select|type|enter|copy|paste|add|create|log|sign|set|turn|switch|enable|disable|"
    r"press|pick|"
    r"visit|navigate|scroll|find|install|upload|download|drag|save|confirm|remove|delete|change|replace|connect|"
    r"tick|check|"
    r"toggle|repeat|run|search|expand|hover|insert|publish|import|export|give|make|follow|invite|wait|ask|send|fill)\b",
    re.IGNORECASE,
)
_OFFERS = re.compile(r"\b(?:either|one of|options|ways|alternatives)\b[^.!?]*:\W*$", re.IGNORECASE)
"""What leads to choices, of which one is enough."""
_LABELLED = re.compile(r"^\*\*[^*]+\*\*\s*[:–—-]|^\*\*[^*]+[:.]\*\*")
"""An item that names an option and describes it: a choice, not a step."""


class Kind(StrEnum):
    """What a unit is, which decides how it is set."""

    SENTENCE = "sentence"
    ITEM = "item"
    STEP = "step"
    CODE = "code"
    ROW = "row"


@dataclass(frozen=True, slots=True)
class Unit:
    """One quotable piece of one passage."""

    passage: int
    """Index of the passage in the request."""
    kind: Kind
    text: str
    """Inline Markdown (bold, code) or, for `CODE`, the bare code."""
    block: int
    """Paragraph, list or table of the passage that it belongs to."""
    order: int
    """Place in the passage."""
    heading: str = ""
    """Nearest heading above it within the passage's own text."""
    info: str = ""
    """Language of a code block."""


def units_of(passage: Passage, index: int) -> list[Unit]:
    """Quotable units of `passage`, in order. Text that gives orders to a model is left out."""
    return [replace(unit, passage=index) for unit in _cut(passage.text)]


@lru_cache(maxsize=_CACHED_PASSAGES)
def _cut(text: str) -> tuple[Unit, ...]:
    """Units of a passage's text. Popular passages are cut once."""
    text = _DIRECTIVE.sub("", _BARE_LINK.sub(r"\1", _ANCHOR.sub("", text)))
    # A parser keeps state while it parses, and passages are read on worker threads: each reading has its own.
    found = list(_walk(_parser().parse(text), 0))
    # What stands beside an order to a model mostly goes on with it, so the whole paragraph or list is left out.
    headings = {heading for heading in {unit.heading for unit in found} if addresses_a_model(heading)}
    poisoned = {unit.block for unit in found if unit.heading in headings or addresses_a_model(unit.text)}
    return tuple(replace(unit, order=order) for order, unit in enumerate(found) if unit.block not in poisoned)


def _parser() -> MarkdownIt:
    # Late: a server is ready sooner without it, and other providers never need it.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable("table")


@dataclass(slots=True)
class _Place:
    """Where the walk stands in the document."""

    heading: str = ""
    block: int = 0
    lists: tuple[str, ...] = ()
    step_lists: frozenset[int] = frozenset()
    in_heading: bool = False
    item_open: bool = False
    row: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    in_table_head: bool = False
    in_table: bool = False


def _walk(tokens: Sequence[Token], passage: int) -> Iterator[Unit]:
    place = _Place()
    for position, token in enumerate(tokens):
        match token.type:
            case "heading_open":
                place.in_heading = True
            case "heading_close":
                place.in_heading = False
            case "ordered_list_open" | "bullet_list_open":
                if not place.lists:
                    place.block += 1
                place.lists = (*place.lists, "step" if _are_steps(tokens, position, place) else "item")
            case "ordered_list_close" | "bullet_list_close":
                place.lists = place.lists[:-1]
            case "list_item_open":
                place.item_open = True
            case "paragraph_open":
                place.block += 0 if place.lists else 1
            case "table_open":
                place.block, place.in_table, place.header = place.block + 1, True, ()
            case "table_close":
                place.in_table = False
            case "thead_open" | "thead_close":
                place.in_table_head = token.type == "thead_open"
            case "tr_open":
                place.row = ()
            case "tr_close":
                if place.in_table_head:
                    place.header = place.row
                else:
                    yield from _row_unit(place, passage)
            case "fence" | "code_block":
                place.block += 0 if place.lists else 1
                code = token.content.rstrip()
                if code.strip():
                    info = token.info.split()[0] if token.info.split() else ""
                    yield Unit(passage, Kind.CODE, code, place.block, 0, place.heading, info)
            case "inline":
                yield from _inline_units(token, place, passage)


def _inline_units(token: Token, place: _Place, passage: int) -> Iterator[Unit]:
    text = inline_text(token)
    if place.in_heading:
        place.heading = text
        return
    if place.in_table:
        place.row = (*place.row, text)
        return
    if "<" in token.content and addresses_a_model(token.content):
        # The marks of an order go with the tags; it is kept whole, to be found and left out with its block.
        yield Unit(passage, Kind.SENTENCE, token.content, place.block, 0, place.heading)
        return
    if not text or _JUNK.match(text):
        return
    if text.startswith("|"):
        yield from _loose_rows(token.content, place, passage)
        return
    if place.lists and place.item_open:
        place.item_open = False
        kind = Kind.STEP if place.lists[-1] == "step" else Kind.ITEM
        if len(text) <= _LONGEST_ITEM:
            yield Unit(passage, kind, text, place.block, 0, place.heading)
            return
        # Its first sentence keeps the item's place in the list.
        first, *others = split_sentences(text)
        yield Unit(passage, kind, first[:_LONGEST_SENTENCE], place.block, 0, place.heading)
        text = " ".join(others)
    if not place.lists and _reads_like_a_heading(text):
        place.heading = text
        return
    for sentence in split_sentences(text):
        if _SHORTEST_SENTENCE <= len(sentence) <= _LONGEST_SENTENCE:
            yield Unit(passage, Kind.SENTENCE, sentence, place.block, 0, place.heading)


def _reads_like_a_heading(text: str) -> bool:
    """A short paragraph that is no sentence: a heading whose mark was lost."""
    return len(text.split()) <= _LONGEST_HEADING and not _END_OF_SENTENCE.search(text) and "`" not in text


def _row_unit(place: _Place, passage: int) -> Iterator[Unit]:
    """A table row as a sentence: `Starter: 29 € a month; 3 seats`, each cell named by its column."""
    cells = [cell for cell in place.row if cell]
    if not cells:
        return
    named = [
        f"{place.header[column]}: {cell}" if column and column < len(place.header) and place.header[column] else cell
        for column, cell in enumerate(place.row)
        if cell
    ]
    text = f"**{named[0]}**: {'; '.join(named[1:])}" if len(named) > 1 and place.row[0] else "; ".join(named)
    yield Unit(passage, Kind.ROW, text, place.block, 0, place.heading)


def _loose_rows(text: str, place: _Place, passage: int) -> Iterator[Unit]:
    """Rows of a table whose head was cut off: it stands in another passage."""
    for line in text.split("\n"):
        cells = [tidy(cell) for cell in line.strip().strip("|").split("|")]
        cells = [cell for cell in cells if cell and set(cell) - set("-: ")]
        if cells:
            yield Unit(passage, Kind.ROW, "; ".join(cells), place.block, 0, place.heading)


def _are_steps(tokens: Sequence[Token], position: int, place: _Place) -> bool:
    """Whether the items of the list that opens at `position` are done one after the other; what is in a step is not."""
    if "step" in place.lists:
        return False
    return tokens[position].type.startswith("ordered") or _looks_like_steps(tokens, position)


def _looks_like_steps(tokens: Sequence[Token], position: int) -> bool:
    """Whether the bullet list that opens at `position` tells what to do, item after item."""
    if position >= 2 and _OFFERS.search(tokens[position - 2].content):
        return False
    items: list[str] = []
    level = tokens[position].level
    for offset, token in enumerate(tokens[position + 1 :], position + 1):
        if token.type == "bullet_list_close" and token.level == level:
            break
        if token.type == "inline" and tokens[offset - 2].type == "list_item_open":
            items.append(token.content)
    matching = sum(bool(_STEP_VERB.match(item)) and not _LABELLED.match(item) for item in items)
    return len(items) >= 2 and matching / len(items) >= 0.6


def inline_text(token: Token) -> str:
    """Text of an inline token with bold and code kept, links reduced to their text, images and HTML dropped."""
    parts: list[str] = []
    for child in token.children or ():
        match child.type:
            case "text":
                parts.append(child.content)
            case "code_inline":
                fence = "``" if "`" in child.content else "`"
                parts.append(f"{fence}{child.content}{fence}")
            case "strong_open" | "strong_close":
                parts.append("**")
            case "softbreak" | "hardbreak":
                parts.append(" ")
    return tidy("".join(parts))


def tidy(text: str) -> str:
    """`text` on one line without stray tags, empty marks, or brackets that read like citations of ours."""
    text = "".join(
        part if part.startswith("`") else _HTML_TAG.sub("", part) for part in _CODE_SPAN.split(without_hidden(text))
    )
    text = _CITATION_LIKE.sub("", text) if not text.startswith("`") else text
    text = re.sub(r"\*\*\s*\*\*", "", text)
    text = re.sub(r"\s+([.,;:!?])", r"\1", text)
    return re.sub(r"\s+", " ", text).strip()
