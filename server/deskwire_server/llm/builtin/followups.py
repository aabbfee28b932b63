"""Proposes what to ask next, from headings and titles that the answer has not used."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deskwire_server.llm.builtin.frames import Frames
from deskwire_server.llm.builtin.guard import addresses_a_model
from deskwire_server.llm.builtin.terms import content_terms
from deskwire_server.llm.port import Passage

_MOST = 3
_LONGEST = 90
_ALIKE = 0.7
_ASKS = re.compile(
    r"^(?:(?:how|what|where|when|who|which)(?: \w+)? (?:is|are|was|do|does|did|can|could|will|would|should|may|must|"
    r"has|have|happens|counts|means|if)|why|can|could|do|does|is|are|will|should|may|wie|was|wo|wann|warum|wer|welche\w*|"
    r"kann|comment|pourquoi|où|quand|quel\w*|puis-je|cómo|qué|dónde|cuándo|como|onde|quando|qual|dove|quale|hoe|waar|"
    r"wanneer)\b",
    re.IGNORECASE,
)
_IMPERATIVE = re.compile(
    r"^(?:add|allow|archive|assign|block|book|build|cancel|change|check|choose|clone|close|compare|configure|"
    r"connect|contact|copy|"
    r"create|customi[sz]e|deactivate|delete|disable|disconnect|download|edit|embed|enable|enforce|exclude|"
    r"export|filter|find|fix|"
    r"get|give|handle|hide|import|improve|include|increase|install|integrate|invite|join|keep|leave|limit|log|"
    r"make|manage|measure|"
    r"merge|migrate|move|open|pause|pay|prevent|protect|publish|read|receive|reconnect|record|recover|reduce|"
    r"remove|rename|renew|"
    r"replace|report|request|reset|resolve|restore|restrict|resume|revoke|rotate|run|save|schedule|see|segment|"
    r"send|set|share|show|"
    r"sign|split|start|stop|switch|sync|tag|test|track|transfer|troubleshoot|turn|unblock|understand|uninstall|"
    r"update|upgrade|"
    r"upload|use|verify|view|write)\b(?!-)",
    re.IGNORECASE,
)
_HOW_TO = re.compile(r"^how to\s+", re.IGNORECASE)
_NUMBERING = re.compile(r"^(?:step\s+)?\d+(?:\.\d+)*[.):\s]\s*", re.IGNORECASE)
_MARKS = re.compile(r"[*_`#]|\{#[\w-]+\}")
_DULL = re.compile(
    r"^(?:introduction|overview|faq|frequently asked questions|notes?|tips?|examples?|next steps|summary|see "
    r"also|related|"
    r"prerequisites|requirements|contents|further reading|more|other|before you (?:start|begin)|limitations|"
    r"getting started|"
    r"conclusion|resources|troubleshooting|what's next|\W*)$",
    re.IGNORECASE,
)


def follow_ups(
    question: str, passages: Sequence[Passage], used: frozenset[int], frames: Frames, *, english: bool
) -> tuple[str, ...]:
    """Up to three questions on what lies near and was not used. `used`: indices of the passages quoted."""
    asked = frozenset(content_terms(question, "en"))
    seen: list[frozenset[str]] = [asked]
    seen.extend(frozenset(content_terms(_subject(passages[index], in_article=True), "en")) for index in used)
    answered_from = {passages[index].article_id for index in used}
    proposals: list[str] = []
    for index, passage in enumerate(passages):
        if index in used or len(proposals) == _MOST:
            continue
        subject = _subject(passage, in_article=passage.article_id in answered_from)
        terms = frozenset(content_terms(subject, "en"))
        if not terms or len(subject) > _LONGEST or addresses_a_model(subject):
            continue
        if any(_alike(terms, other) for other in seen):
            continue
        seen.append(terms)
        proposals.append(as_question(subject, frames, english=english))
    return tuple(proposals)


def _subject(passage: Passage, *, in_article: bool) -> str:
    """What a passage is about: a title or heading that makes a natural question before one that does not.

    Within an article that was quoted already only its headings tell it apart from what was said.
    """
    headings = [plain for heading in reversed(passage.heading_path) if _says_something(plain := _plain(heading))]
    title = _plain(passage.title)
    names = headings or [title] if in_article else [title, *headings]
    return next((name for name in names if _is_natural(name)), names[0])


def _says_something(heading: str) -> bool:
    return len(heading.split()) > 1 and not _DULL.match(heading)


def _is_natural(name: str) -> bool:
    """Whether a question comes of `name` without naming it."""
    return name.endswith("?") or bool(_ASKS.match(name) or _HOW_TO.match(name) or _IMPERATIVE.match(name))


def _plain(heading: str) -> str:
    return _NUMBERING.sub("", _MARKS.sub("", heading)).strip(" .:–—-")


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) / max(1, min(len(one), len(other))) >= _ALIKE


def as_question(subject: str, frames: Frames, *, english: bool) -> str:
    """A heading as a question that a user might ask."""
    if subject.endswith("?"):
        return subject
    if _ASKS.match(subject):
        return f"{subject}?"
    if not english:
        return frames.follow_about.format(subject)
    bare = _HOW_TO.sub("", subject)
    if bare != subject or _IMPERATIVE.match(bare):
        own = re.sub(r"\byour\b", "my", re.sub(r"\byourself\b", "myself", re.sub(r"\byou\b", "I", _lower_first(bare))))
        return frames.follow_how.format(own)
    return frames.follow_about.format(subject)


def _lower_first(text: str) -> str:
    first = text.split(maxsplit=1)[0]
    return text if first.isupper() and len(first) > 1 else text[:1].lower() + text[1:]
