"""Finds HTML and JSX tags in text, attributes with quotes and braces included, and drops or translates them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z][\w.:-]*")
_ATTRIBUTE = re.compile(r"([A-Za-z_:@][\w.:@-]*)")
_MAX_TAG = 20_000
"""A `<` that is not closed within so many characters is no tag."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag with its place in the text."""

    name: str
    closing: bool
    self_closing: bool
    attributes: Mapping[str, str]
    """Values that are plain texts. Expressions in braces are left out."""
    start: int
    end: int

    @property
    def is_component(self) -> bool:
        """Whether it names a component (`<Note>`), not an element."""
        return self.name[:1].isupper() or "." in self.name


def tags(text: str) -> Iterator[Tag]:
    """The tags of `text`, in order. A `<` that opens no tag is skipped."""
    place = text.find("<")
    while place >= 0:
        tag = _tag_at(text, place)
        if tag is not None:
            yield tag
        place = text.find("<", tag.end if tag is not None else place + 1)


def skip_braces(text: str, start: int) -> int | None:
    """Place behind the `}` that closes the `{` at `start`; None when there is none nearby."""
    depth = 0
    quote = ""
    for place in range(start, min(len(text), start + _MAX_TAG)):
        char = text[place]
        if quote:
            if char == quote:
                quote = ""
        elif char in "\"'`":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return place + 1
    return None


def _tag_at(text: str, start: int) -> Tag | None:
    place = start + 1
    closing = text.startswith("/", place)
    place += closing
    if text.startswith(">", place):  # <> and </>: a JSX fragment
        return Tag("", closing, False, {}, start, place + 1)
    match = _NAME.match(text, place)
    if match is None:
        return None
    place = match.end()
    attributes: dict[str, str] = {}
    end_of_search = min(len(text), start + _MAX_TAG)
    while place < end_of_search:
        char = text[place]
        if char.isspace():
            place += 1
        elif char == ">":
            return Tag(match.group(), closing, False, attributes, start, place + 1)
        elif text.startswith("/>", place):
            return Tag(match.group(), closing, True, attributes, start, place + 2)
        elif closing:
            return None
        else:
            after = _attribute(text, place, attributes)
            if after is None:
                return None
            place = after
    return None


def _attribute(text: str, place: int, attributes: dict[str, str]) -> int | None:
    """Read one attribute at `place` into `attributes`; the place behind it, None when there is none."""
    if text[place] == "{":  # a spread: {...props}
        return skip_braces(text, place)
    name = _ATTRIBUTE.match(text, place)
    if name is None:
        return None
    place = name.end()
    if not text.startswith("=", place):
        attributes[name.group()] = ""
        return place
    place += 1
    if place >= len(text):
        return None
    opening = text[place]
    if opening == "{":
        return skip_braces(text, place)
    if opening in "\"'":
        end = text.find(opening, place + 1, place + _MAX_TAG)
        if end < 0:
            return None
        attributes[name.group()] = text[place + 1 : end]
        return end + 1
    bare = re.compile(r"[^\s>\"'`=<]+").match(text, place)
    if bare is None:
        return None
    attributes[name.group()] = bare.group().removesuffix("/")
    return bare.end() - bare.group().endswith("/")
