"""Parts a passage into its sentences, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deskwire_server.knowledge.parse import plain

_BREAK = re.compile(r"(?<=[.!?])[\"')\]*_]*[ \t]+(?=[\"'(\[*_`]*[A-Z0-9À-Þ])|(?<=[。！？])|\n+")
_MARKED = re.compile(r"[\[*_`|>#\\&~\n]")
"""What markup begins with; a text without it is plain already."""
_MIN_WORDS = 3
_MAX_SENTENCES = 40
"""Sentences of one passage that are told apart; long tables and code have more lines than meaning."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, an item or a row: `text[start:end]` of its passage."""

    start: int
    end: int
    text: str
    """Without markup."""


def sentences(text: str) -> list[Sentence]:
    """Sentences of a passage with three words or more, in order. Fences of code are no sentences."""
    found: list[Sentence] = []
    last = 0
    for match in (*_BREAK.finditer(text), None):
        end = match.start() if match is not None else len(text)
        start = last + len(text[last:end]) - len(text[last:end].lstrip())
        last = match.end() if match is not None else end
        own = text[start:end]
        shown = " ".join((plain(own) if _MARKED.search(own) else own).split()).lstrip("-*+| ").rstrip("| ")
        if len(shown.split()) >= _MIN_WORDS and any(char.isalpha() for char in shown):
            found.append(Sentence(start, end, shown))
    return found[:_MAX_SENTENCES]
