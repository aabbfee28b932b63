"""Finds sentences of different articles that give differing figures for the same thing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from deskwire_server.llm.builtin.claim_words import EXAMPLE, claim_words
from deskwire_server.llm.builtin.figure_words import LANGUAGES
from deskwire_server.llm.builtin.figures import FigureFound, apart, figures
from deskwire_server.llm.builtin.guard import addresses_a_model
from deskwire_server.llm.builtin.terms import content_terms
from deskwire_server.llm.builtin.text import Kind, Unit, units_of
from deskwire_server.llm.port import Passage
from deskwire_server.understanding.language import detect_language

_OVERLAP, _JACCARD = 0.75, 0.5
"""Shares of words in common, of the shorter sentence's and of both's, from which two may speak of the same thing."""
_MANY = 3
"""So many words in common say by themselves what a sentence is about; fewer need titles that agree."""
_LEAST_SHARED, _LONGEST_ENDING = 6, 3
"""Letters that two forms of one word begin with alike, and those that may follow."""
_LONGEST = 320
_SURE = 0.2
"""A passage is long enough to be told with less confidence than a message."""
_READ = 300
"""Characters of a passage that tell its language."""
_made = {""}
"""Languages whose tables are made; of those that are not read there are none."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence with figures."""

    row: int
    article: str
    language: str
    terms: frozenset[str]
    titles: frozenset[str]
    figures: tuple[FigureFound, ...]


def contradictions(units: Sequence[Unit], passages: Sequence[Passage]) -> list[tuple[int, int]]:
    """Pairs of rows of `units`, of different articles, that give differing figures for the same thing."""
    languages = [_language(passage) for passage in passages]
    for language in set(languages) - _made:
        _make_tables(language)
    claims = [
        claim
        for row, unit in enumerate(units)
        if (claim := _claim(row, unit, passages[unit.passage], languages[unit.passage])) is not None
    ]
    by_term: dict[str, list[int]] = defaultdict(list)
    found: list[tuple[int, int]] = []
    for index, claim in enumerate(claims):
        near = {other for term in claim.terms for other in by_term[term]}
        found.extend(
            (claims[other].row, claim.row)
            for other in sorted(near)
            if claims[other].article != claim.article
            and claims[other].language == claim.language
            and _contradict(claims[other], claim)
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


def is_quick(passages: Sequence[Passage]) -> bool:
    """Whether `passages` are in languages that were read before: making the tables of another one takes 10 ms."""
    return all(_language(passage) in _made for passage in passages)


def _make_tables(language: str) -> None:
    """Both kinds at once: whether the first passages of a language have figures is chance."""
    figures("", language)
    claim_words(language)
    _made.add(language)


def _language(passage: Passage) -> str:
    """The language whose figures and words `passage` is read by; empty for others."""
    return _language_of(f"{passage.title}. {passage.text[:_READ]}")


@lru_cache(maxsize=1_024)
def _language_of(text: str) -> str:
    found = detect_language(text, least=_SURE)
    return found if found in LANGUAGES else ""


def _claim(row: int, unit: Unit, passage: Passage, language: str) -> Claim | None:
    # Steps tell what to do; how often one clicks is nothing that two articles could disagree on.
    if unit.kind in (Kind.CODE, Kind.STEP) or len(unit.text) > _LONGEST or unit.text.rstrip().endswith(("?", ":")):
        return None
    text = unit.text.replace("**", "").replace("`", "")
    given = tuple(figures(text, language))
    if not given or EXAMPLE.search(text) or addresses_a_model(text):
        return None
    rest = text
    for figure in reversed(given):
        rest = f"{rest[: figure.span[0]]} {rest[figure.span[1] :]}"
    known, above = claim_words(language), " ".join((passage.title, *passage.heading_path, unit.heading))
    titles = frozenset(content_terms(above, language)) - known.general
    terms = frozenset(content_terms(rest, language)) - known.light
    return Claim(row, passage.article_id, language, terms, titles, given)


def _contradict(one: Claim, other: Claim) -> bool:
    return _same_subject(one, other) and _differ(one.figures, other.figures)


def _same_subject(one: Claim, other: Claim) -> bool:
    other = replace(other, terms=_spelt_like(one, other))
    common, smaller = one.terms & other.terms, min(len(one.terms), len(other.terms))
    if not smaller or len(common) < _OVERLAP * smaller or len(common) < _JACCARD * len(one.terms | other.terms):
        return False
    words = claim_words(one.language)
    if any(_tells_apart(term, words.qualifying) for term in one.terms ^ other.terms):
        return False
    own, theirs = one.titles - other.titles - common, other.titles - one.titles - common
    if any(_tells_apart(term, words.naming) for term in own | theirs):
        return False
    if own & words.qualifying and theirs & words.qualifying:
        return False
    if len(common) >= _MANY:
        return True
    # So few words leave open what they speak of: the titles must agree on that.
    agree = bool(one.titles & other.titles) or bool(common & (one.titles | other.titles))
    return agree and not (own and theirs)


def _spelt_like(one: Claim, other: Claim) -> frozenset[str]:
    """Words of `other`, forms of a word of `one` as that writes them: stems of verbs differ but in English."""
    if one.language == "en":
        return other.terms
    return frozenset(
        next((known for known in one.terms if _is_form(term, known)), term) if term not in one.terms else term
        for term in other.terms
    )


def _is_form(one: str, other: str) -> bool:
    shared = max(_LEAST_SHARED, max(len(one), len(other)) - _LONGEST_ENDING)
    return min(len(one), len(other)) >= shared and one[:shared] == other[:shared]


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
        if any(apart(left, right) for left, right in zip(own, theirs, strict=True)):
            differing += 1
    return differing == 1
