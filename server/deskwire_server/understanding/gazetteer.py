"""A tenant's own names (products, integrations, plans …), found in messages however they are spelled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_PIECE = re.compile(r"[^\W_]+")
_LONGEST_NAME = 8
"""Words of the longest name that is looked for."""


@dataclass(frozen=True, slots=True)
class GazetteerEntry:
    """One name to find."""

    type: str
    """Kind of the thing, such as `product` or `integration`."""
    name: str
    """As the tenant writes it: `Google Ads`."""
    aliases: tuple[str, ...] = ()
    """Other ways to write it."""
    is_exact: bool = False
    """Whether it is found only as it is written, with its capitals: for names that are everyday words as well."""


@dataclass(frozen=True, slots=True)
class GazetteerHit:
    """A name that a text mentions."""

    start: int
    end: int
    """Code points; `end` is behind the last one."""
    entry: GazetteerEntry


class Gazetteer:
    """The names of one tenant. Made once and shared: looking through a message costs microseconds."""

    def __init__(self, entries: Iterable[GazetteerEntry] = ()) -> None:
        """Of names that are spelled alike the first one counts."""
        self._entries: dict[tuple[str, ...], GazetteerEntry] = {}
        self._joined: dict[str, GazetteerEntry] = {}
        for entry in entries:
            for spelling in (entry.name, *entry.aliases):
                pieces = tuple(_PIECE.findall(spelling.casefold()))
                if pieces and len(pieces) <= _LONGEST_NAME:
                    self._entries.setdefault(pieces, entry)
                    if len(pieces) > 1:
                        self._joined.setdefault("".join(pieces), entry)
        self._first = frozenset(pieces[0] for pieces in self._entries)
        self._longest = max((len(pieces) for pieces in self._entries), default=0)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, text: str) -> Iterator[GazetteerHit]:
        """Names in `text`, the longest at each place, whole words only.

        Case, punctuation and spaces inside of a name do not matter: `google-ads`, `GoogleAds` and `google ads` are one.
        """
        if not self._entries:
            return
        pieces = [(match[0].casefold(), match.start(), match.end()) for match in _PIECE.finditer(text)]
        index = 0
        while index < len(pieces):
            length = self._match(pieces, index)
            if not length:
                index += 1
                continue
            key = tuple(piece for piece, _, _ in pieces[index : index + length])
            entry = self._entries.get(key) or self._joined[key[0]]
            start, end = pieces[index][1], pieces[index + length - 1][2]
            index += length
            if not entry.is_exact or text[start:end] == entry.name:
                yield GazetteerHit(start, end, entry)

    def _match(self, pieces: list[tuple[str, int, int]], index: int) -> int:
        """Pieces of the longest name that begins at `index`; 0 for none."""
        longest = min(self._longest, len(pieces) - index) if pieces[index][0] in self._first else 0
        for length in range(longest, 0, -1):
            if tuple(piece for piece, _, _ in pieces[index : index + length]) in self._entries:
                return length
        return 1 if pieces[index][0] in self._joined else 0
