"""Proposes what to ask next, from headings and titles that the answer has not used."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deskwire_server.llm.builtin.choose import relevant
from deskwire_server.llm.builtin.guard import addresses_a_model
from deskwire_server.llm.builtin.headings import as_question
from deskwire_server.llm.builtin.terms import content_terms
from deskwire_server.llm.port import Passage

_MOST = 3
_LONGEST = 90
_ALIKE = 0.7
_LEAST_RELEVANCE = 0.03
"""What is asked next may lie further off than what is quoted, by this share of the best passage's relevance."""
_NUMBERING = re.compile(r"^(?:step\s+)?\d+(?:\.\d+)*[.):\s]\s*", re.IGNORECASE)
_MARKS = re.compile(r"[*_`#]|\{#[\w-]+\}")
_DULL = re.compile(
    r"^(?:introduction|overview|faq|frequently asked questions|notes?|tips?|examples?|next steps|summary|see "
    r"also|related|"
    r"prerequisites|requirements|contents|further reading|more|other|before you (?:start|begin)|limitations|"
    r"getting started|"
    r"conclusion|resources|troubleshooting|what(?:'s| is) next\??|need help\??|\W*)$",
    re.IGNORECASE,
)


def follow_ups(question: str, passages: Sequence[Passage], used: frozenset[int], *, language: str) -> tuple[str, ...]:
    """Up to three questions, in `language`, on what lies near and was not used.

    `used`: indices of the passages quoted. A heading that makes no natural question gives none.
    """
    asked = frozenset(content_terms(question, "en"))
    seen: list[frozenset[str]] = [asked]
    seen.extend(frozenset(content_terms(name, "en")) for index in used for name in _names(passages[index])[:1])
    answered_from = {passages[index].article_id for index in used}
    near = relevant([passage.relevance for passage in passages], _LEAST_RELEVANCE)
    proposals: list[str] = []
    for index, passage in enumerate(passages):
        if index in used or index not in near or len(proposals) == _MOST:
            continue
        proposal = _proposal(passage, language, in_article=passage.article_id in answered_from)
        terms = frozenset(content_terms(proposal, "en"))
        if not terms or addresses_a_model(proposal) or any(_alike(terms, other) for other in seen):
            continue
        seen.append(terms)
        proposals.append(proposal)
    return tuple(proposals)


def _proposal(passage: Passage, language: str, *, in_article: bool) -> str:
    """What `passage` answers, as a question; empty where none of its names makes one.

    Within an article that was quoted already only its headings tell it apart from what was said.
    """
    title = _plain(passage.title)
    names = _names(passage)
    for name in names if in_article else [title, *names]:
        found = as_question(name, language) if name and len(name) <= _LONGEST else None
        if found is not None:
            return found
    return ""


def _names(passage: Passage) -> list[str]:
    """Headings of `passage` that say something, the nearest first; its title where there is none."""
    plain = [_plain(heading) for heading in reversed(passage.heading_path)]
    return [name for name in plain if _says_something(name)] or [_plain(passage.title)]


def _says_something(heading: str) -> bool:
    return len(heading.split()) > 1 and not _DULL.match(heading)


def _plain(heading: str) -> str:
    return _NUMBERING.sub("", _MARKS.sub("", heading)).strip(" .:–—-")


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) / max(1, min(len(one), len(other))) >= _ALIKE
