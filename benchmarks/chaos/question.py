"""Questions whose only right answer is known, so that text in the wrong place is seen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_NONCE = re.compile(r"t\d+u\d+c\d+m\d+(?=[.\s])")
_QUESTION = re.compile(r"Write (t\d+u\d+c\d+m\d+) in (\d+) words, one every (\d+) ms\.")


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a run.

    Its nonce names tenant, user, conversation and place, and stands in every word of the answer.
    """

    nonce: str
    words: int
    pace: int
    """Milliseconds between two words; 0 for all at once."""

    @classmethod
    def of(cls, text: str) -> Question | None:
        """The question that a message asks; None when it is none of ours."""
        found = _QUESTION.search(text)
        return cls(found[1], int(found[2]), int(found[3])) if found else None

    @classmethod
    def last_in(cls, text: str) -> Question | None:
        """The last of our questions in a longer text."""
        found = None
        for found in _QUESTION.finditer(text):  # noqa: B007 - the last one is wanted
            pass
        return cls(found[1], int(found[2]), int(found[3])) if found else None

    @property
    def text(self) -> str:
        """What the user writes."""
        return f"Write {self.nonce} in {self.words} words, one every {self.pace} ms."

    @property
    def pieces(self) -> list[str]:
        """The words of the answer, each with the blank before it."""
        return [f"{' ' if number else ''}{self.nonce}.{number}" for number in range(self.words)]

    @property
    def answer(self) -> str:
        """The whole answer."""
        return "".join(self.pieces)


def nonce(tenant: int, user: int, conversation: int, place: int) -> str:
    """The nonce of one question."""
    return f"t{tenant}u{user}c{conversation}m{place}"


def nonce_of(request_id: str) -> str:
    """The nonce of the question that a request asks, or has answered once more."""
    return request_id.partition("/")[0]


def conversation_of(nonce: str) -> str:
    """The part of a nonce that all questions of one conversation share."""
    return nonce.rpartition("m")[0]


def strangers(text: str, own: Iterable[str]) -> set[str]:
    """Nonces in `text` that are not in `own`."""
    return set(_NONCE.findall(text)) - set(own)
