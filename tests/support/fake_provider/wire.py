"""What both protocols of the fake provider have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

import orjson

from tests.support.fake_provider.script import Script

_WORDS = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")


def data(payload: Any) -> bytes:
    """An event without a name."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def tokens(text: str) -> list[str]:
    """`text` in the pieces in which a model would stream it: about a word each, nothing lost."""
    return _WORDS.findall(text)


def fragments(arguments: str) -> list[str]:
    """JSON text of a call's arguments in pieces of five letters."""
    return [arguments[start : start + 5] for start in range(0, len(arguments), 5)]


def answer_to(script: Script, question: str, system: str) -> str:
    """The text to answer with."""
    if script.text is not None:
        return script.text
    source = " as the help pages say [1]" if "[1]" in system else ""
    return f"This is the answer to “{question[:200]}”{source}."


class Wire(ABC):
    """One protocol: what a request must look like, and how an answer goes out."""

    @abstractmethod
    def key_of(self, headers: dict[str, str]) -> str:
        """The key a request brings."""

    @abstractmethod
    def problem(self, body: dict[str, Any]) -> str:
        """What is wrong with a request; empty when nothing is."""

    @abstractmethod
    def events(self, script: Script, body: dict[str, Any]) -> list[bytes]:
        """The events of a streamed answer, in order."""

    @abstractmethod
    def whole(self, script: Script, body: dict[str, Any]) -> dict[str, Any]:
        """The same answer in one piece."""

    @abstractmethod
    def error(self, status: int, code: str, message: str) -> dict[str, Any]:
        """The body of an error."""

    @abstractmethod
    def error_event(self, code: str, message: str) -> bytes:
        """An error in mid-stream."""

    @abstractmethod
    def ping(self) -> bytes:
        """What keeps the connection alive without being part of the answer."""

    @abstractmethod
    def garbled(self) -> bytes:
        """An event with broken JSON."""
