"""Finds sentences of different articles that give differing figures for the same thing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from deskwire_server.llm.builtin.figures import FigureFound, figures
from deskwire_server.llm.builtin.guard import addresses_a_model
from deskwire_server.llm.builtin.terms import content_terms, stem
from deskwire_server.llm.builtin.text import Kind, Unit, units_of
from deskwire_server.llm.port import Passage

_OVERLAP, _JACCARD = 0.75, 0.5
"""Shares of words in common, of the shorter sentence's and of both's, from which two may speak of the same thing."""
_MANY = 3
"""So many words in common say by themselves what a sentence is about; fewer need titles that agree."""
_LONGEST = 320
_EXAMPLE = re.compile(
    r"\be\.g\.|\b(?:for example|for instance|such as|example|let's say|suppose|imagine|if you had)\b", re.IGNORECASE
)
_NAMING_TEXT = """
free starter basic lite standard plus pro premium team teams business growth enterprise trial student education
nonprofit charity startup agency android ios iphone ipad windows mac macos linux chrome safari firefox edge mobile
desktop eu europe us usa uk germany france monthly yearly annual annually legacy beta sandbox production owner admin
member guest agent paypal sepa express domestic international abroad
"""
"""Words for one of several: in one title alone they tell two things apart."""
_QUALIFYING_TEXT = """
web app month year weekly daily day week hourly hour new old live test first second third last next previous early
late minimum maximum least most average per user before after weekend weekday monday tuesday wednesday thursday friday
saturday sunday summer winter holiday without not except only card bank debit transfer cash invoice import export
upload download incoming outgoing failed successful initial additional extra replacement main child children adult
senior return outbound single double former until since upgrade downgrade renew
"""
"""Words that tell two things apart in sentences, and in titles where both have one."""
_LIGHT_TEXT = """
take last issue process arrive allow let offer include get give make need possible usual normally typically usually
automatically currently default want can request general generally about around approximately roughly always please
note also just simply keep happen
"""
_GENERAL_TEXT = """
guide overview policy faq question answer help about general terms pricing price plan plans billing introduction
manual article page your manage how use work understand know center centre rule condition information info basics
detail
"""


@dataclass(frozen=True, slots=True)
class _Words:
    """Stems of words of each sort."""

    naming: frozenset[str]
    qualifying: frozenset[str]
    light: frozenset[str]
    general: frozenset[str]


@lru_cache(maxsize=1)
def _words() -> _Words:
    naming = _stems(_NAMING_TEXT)
    return _Words(naming, naming | _stems(_QUALIFYING_TEXT), _stems(_LIGHT_TEXT), _stems(_GENERAL_TEXT))


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word, "en") for word in text.split())


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence with figures."""

    row: int
    article: str
    terms: frozenset[str]
    titles: frozenset[str]
    figures: tuple[FigureFound, ...]


def contradictions(units: Sequence[Unit], passages: Sequence[Passage]) -> list[tuple[int, int]]:
    """Pairs of rows of `units`, of different articles, that give differing figures for the same thing."""
    claims = [claim for row, unit in enumerate(units) if (claim := _claim(row, unit, passages)) is not None]
    by_term: dict[str, list[int]] = defaultdict(list)
    found: list[tuple[int, int]] = []
    for index, claim in enumerate(claims):
        near = {other for term in claim.terms for other in by_term[term]}
        found.extend(
            (claims[other].row, claim.row)
            for other in sorted(near)
            if claims[other].article != claim.article and _contradict(claims[other], claim)
        )
        for term in claim.terms:
            by_term[term].append(index)
    return found


def contradicting_passages(passages: Sequence[Passage]) -> list[tuple[int, int]]:
    """Numbers of passages, in pairs, that give differing figures for the same thing."""
    units = [unit for index, passage in enumerate(passages) for unit in units_of(passage, index)]
    pairs = (
        (passages[units[one].passage].number, passages[units[other].passage].number)
        for one, other in contradictions(units, passages)
    )
    return list(dict.fromkeys(pairs))


def _claim(row: int, unit: Unit, passages: Sequence[Passage]) -> Claim | None:
    # Steps tell what to do; how often one clicks is nothing that two articles could disagree on.
    if unit.kind in (Kind.CODE, Kind.STEP) or len(unit.text) > _LONGEST or unit.text.rstrip().endswith(("?", ":")):
        return None
    text = unit.text.replace("**", "").replace("`", "")
    given = tuple(figures(text))
    if not given or _EXAMPLE.search(text) or addresses_a_model(text):
        return None
    passage = passages[unit.passage]
    rest = text
    for figure in reversed(given):
        rest = f"{rest[: figure.span[0]]} {rest[figure.span[1] :]}"
    known, above = _words(), " ".join((passage.title, *passage.heading_path, unit.heading))
    titles = frozenset(content_terms(above, "en")) - known.general
    return Claim(row, passage.article_id, frozenset(content_terms(rest, "en")) - known.light, titles, given)


def _contradict(one: Claim, other: Claim) -> bool:
    return _same_subject(one, other) and _differ(one.figures, other.figures)


def _same_subject(one: Claim, other: Claim) -> bool:
    common, smaller = one.terms & other.terms, min(len(one.terms), len(other.terms))
    if not smaller or len(common) < _OVERLAP * smaller or len(common) < _JACCARD * len(one.terms | other.terms):
        return False
    if any(_tells_apart(term, _words().qualifying) for term in one.terms ^ other.terms):
        return False
    own, theirs = one.titles - other.titles - common, other.titles - one.titles - common
    if any(_tells_apart(term, _words().naming) for term in own | theirs):
        return False
    if own & _words().qualifying and theirs & _words().qualifying:
        return False
    if len(common) >= _MANY:
        return True
    # So few words leave open what they speak of: the titles must agree on that.
    agree = bool(one.titles & other.titles) or bool(common & (one.titles | other.titles))
    return agree and not (own and theirs)


def _tells_apart(term: str, words: frozenset[str]) -> bool:
    return term in words or any(map(str.isdigit, term))


def _differ(one: Sequence[FigureFound], other: Sequence[FigureFound]) -> bool:
    """Whether exactly one kind of figure differs, and truly so."""
    differing = 0
    kinds = {figure.kind for figure in one} & {figure.kind for figure in other}
    if not kinds:
        return False
    for kind in kinds:
        own = [figure for figure in one if figure.kind == kind]
        theirs = [figure for figure in other if figure.kind == kind]
        if len(own) != len(theirs):
            return False
        if any(_apart(left, right) for left, right in zip(own, theirs, strict=True)):
            differing += 1
    return differing == 1


def _apart(one: FigureFound, other: FigureFound) -> bool:
    if {one.bound, other.bound} == {"least", "most"}:
        return False
    if one.is_range and other.is_range:
        return (one.low, one.high) != (other.low, other.high)
    return one.low > other.high or other.low > one.high
