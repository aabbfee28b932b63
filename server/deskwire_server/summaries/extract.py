"""Titles and summaries without a model: they quote what was said."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deskwire_server.knowledge.parse import plain
from deskwire_server.llm.builtin.sentences import split_sentences
from deskwire_server.llm.builtin.smalltalk import small_talk
from deskwire_server.llm.builtin.terms import is_stop_word, words
from deskwire_server.summaries.leads import LEAD
from deskwire_server.summaries.models import Exchange

LONGEST_TITLE = 60
LONGEST_SUMMARY = 1_500
_LONGEST_QUESTION = 140
_LONGEST_ANSWER = 200
_LEAST_OF_OLD = 500
_CITATION = re.compile(r"\s*(?:\[\d+\])+")
_GREETED = re.compile(r"^([^,.!?:;–—-]{1,40})\s*[,.!:;–—-]+\s+(?=\S)")


def title_of(questions: Sequence[str]) -> str:
    """A title of at most 60 characters in the words of the first question that asks for something; empty when none
    does. The same questions give the same title."""
    for question in questions:
        for sentence in split_sentences(_on_one_line(question)):
            subject = _subject(sentence)
            if subject:
                return fitting(subject, LONGEST_TITLE)
    return ""


def _subject(sentence: str) -> str:
    """What a sentence is about: without greeting, politeness, question words and final mark; empty for small talk."""
    rest = sentence
    while (greeting := _GREETED.match(rest)) is not None and small_talk(greeting[1]) is not None:
        rest = rest[greeting.end() :]
    if small_talk(rest) is not None:
        return ""
    whole = rest = rest.strip(" ?!.…¿¡:;,")
    for _ in range(3):
        shorter = LEAD.sub("", rest, count=1).strip()
        if shorter == rest or not _says_something(shorter):
            break
        rest = shorter
    subject = rest if _says_something(rest) else whole
    return subject[:1].upper() + subject[1:] if _says_something(subject) else ""


def _says_something(text: str) -> bool:
    found = words(text)
    return any(not is_stop_word(word, "en") for word in found) if found else bool(re.search(r"\w", text))


def summary_of(before: str, exchanges: Sequence[Exchange]) -> str:
    """What was said, a line for each question with the beginning of its answer, behind what was told `before`.

    At most 1,500 characters: old lines give way to new ones. Small talk is left out.
    """
    lines = [line for line in map(_line, exchanges) if line]
    kept: list[str] = []
    left = LONGEST_SUMMARY - (min(len(before), _LEAST_OF_OLD) + 1 if before else 0)
    for line in reversed(lines):
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
    new = "\n".join(reversed(kept))
    room = LONGEST_SUMMARY - len(new) - 1
    return "\n".join(part for part in (_newest_lines(before, room), new) if part)


def _newest_lines(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    lines = text.splitlines()
    while len(lines) > 1 and len("\n".join(lines)) > room:
        lines.pop(0)
    return fitting("\n".join(lines), room)


def _line(exchange: Exchange) -> str:
    question = _on_one_line(exchange.question)
    if question and small_talk(question) is not None:
        return ""
    asked = fitting(question, _LONGEST_QUESTION)
    sentences = split_sentences(_on_one_line(_CITATION.sub("", plain(exchange.answer))))
    answered = fitting(sentences[0], _LONGEST_ANSWER) if sentences else ""
    if asked and answered:
        return f"- {asked} → {answered}"
    return f"- {asked or answered}" if asked or answered else ""


def fitting(text: str, limit: int) -> str:
    """The text, cut at a word where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    if " " in cut:
        cut = cut.rsplit(" ", 1)[0]
    return cut.rstrip(" ,.;:–—-") + "…"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
