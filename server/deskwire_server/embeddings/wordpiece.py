"""Splits text into the word pieces of an uncased BERT vocabulary, exactly as the model's own tokenizer does."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

MAX_WORD_CHARS = 100
"""A longer word becomes one unknown piece."""

_WORD_CACHE_LIMIT = 100_000
_WHITESPACE_CONTROLS = frozenset("\t\n\r")
_CJK_RANGES = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


class WordPiece:
    """An uncased WordPiece tokenizer. Threads may share it: its cache holds nothing but right answers."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        """`vocabulary` maps each piece to its id and holds `[CLS]`, `[SEP]` and `[UNK]`."""
        self._ids = dict(vocabulary)
        self._cls, self._sep, self._unknown = (self._ids[piece] for piece in ("[CLS]", "[SEP]", "[UNK]"))
        self._words: dict[str, tuple[int, ...]] = {}

    @classmethod
    def from_file(cls, path: Path) -> WordPiece:
        """Read a `vocab.txt`: one piece a line, its id the line's number."""
        pieces = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        return cls({piece: index for index, piece in enumerate(pieces)})

    def encode(self, text: str, limit: int) -> list[int]:
        """Ids of `text` between `[CLS]` and `[SEP]`, cut to `limit` ids with both of them.

        Names of special pieces in a text, such as `[SEP]`, are plain text: a document can't end itself.
        """
        ids = [self._cls]
        for word in _words(text):
            ids.extend(self._pieces(word))
            if len(ids) >= limit:
                del ids[limit - 1 :]
                break
        ids.append(self._sep)
        return ids

    def words(self, text: str, limit: int) -> list[tuple[str, int]]:
        """Words and marks of `text`, each with the number of its pieces in `encode`; what `limit` cuts is left out."""
        found: list[tuple[str, int]] = []
        left = limit - 2
        for word in _words(text):
            count = len(self._pieces(word))
            left -= count
            if left < 0:
                break
            found.append((word, count))
        return found

    def _pieces(self, word: str) -> tuple[int, ...]:
        known = self._words.get(word)
        if known is None:
            if len(self._words) >= _WORD_CACHE_LIMIT:
                self._words.clear()
            known = self._words[word] = tuple(self._split(word))
        return known

    def _split(self, word: str) -> list[int]:
        if len(word) > MAX_WORD_CHARS:
            return [self._unknown]
        ids: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self._ids.get(word[start:end] if start == 0 else "##" + word[start:end])
                if piece is not None:
                    ids.append(piece)
                    start = end
                    break
            else:
                return [self._unknown]
        return ids


def _words(text: str) -> Iterator[str]:
    """Words and single punctuation marks of the normalised text, in order."""
    for word in _normalise(text).split():
        start = 0
        for index, char in enumerate(word):
            if _is_punctuation(char):
                if start < index:
                    yield word[start:index]
                yield char
                start = index + 1
        if start < len(word):
            yield word[start:]


def _normalise(text: str) -> str:
    """Control characters dropped, CJK set apart, accents stripped, lower case."""
    if text.isascii():
        if not text.isprintable():
            text = "".join(map(_clean, text))
        return text.lower()
    spaced = "".join(map(_clean, text))
    decomposed = unicodedata.normalize("NFD", spaced)
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn").lower()


def _clean(char: str) -> str:
    code = ord(char)
    if char in _WHITESPACE_CONTROLS:
        return " "
    if code in (0, 0xFFFD):
        return ""
    category = unicodedata.category(char)
    if category in ("Cc", "Cf", "Co", "Cs"):
        return ""
    if category == "Zs":
        return " "
    if any(low <= code <= high for low, high in _CJK_RANGES):
        return f" {char} "
    return char


def _is_punctuation(char: str) -> bool:
    if char.isascii():
        return char in _ASCII_PUNCTUATION
    return unicodedata.category(char).startswith("P")
