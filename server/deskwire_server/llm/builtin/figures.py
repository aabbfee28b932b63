"""Reads the figures of a sentence: amounts with their units, money, shares, spans of time, dates, times of day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from deskwire_server.llm.builtin.figure_words import LANGUAGES, FigureWords, figure_words
from deskwire_server.llm.builtin.terms import stem

_SIZES = {
    "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 1024, "mib": 1024**2, "gib": 1024**3,
    "ko": 1e3, "mo": 1e6, "go": 1e9, "to": 1e12,
}  # fmt: skip
_FRENCH_SIZES = ("ko", "mo", "go", "to")
_SPACES = "\u202f\u00a0 "
_YEARLESS = 10_000
"""A date below it has no year."""


@dataclass(frozen=True, slots=True)
class FigureFound:
    """One figure of a sentence."""

    kind: str
    """What it measures: `money:eur/month`, `share`, `time`, `date`, `clock`, `size`, or the noun that it counts."""
    low: float
    high: float
    bound: str
    """`least`, `most` or empty."""
    span: tuple[int, int]
    """Where it stands."""
    is_range: bool = False
    """Whether it is given as one: `3 to 5 days`."""


@dataclass(frozen=True, slots=True)
class _Patterns:
    """What figures of one language look like."""

    language: str
    words: FigureWords
    date: re.Pattern[str]
    clocks: tuple[re.Pattern[str], ...]
    figure: re.Pattern[str]
    named: re.Pattern[str]
    period: re.Pattern[str]
    least: re.Pattern[str]
    most: re.Pattern[str]
    least_after: re.Pattern[str]
    most_after: re.Pattern[str]
    afternoon: re.Pattern[str]


def figures(text: str, language: str = "en") -> list[FigureFound]:
    """Figures of `text` that measure something, in order. Of other languages than `LANGUAGES` it reads none."""
    if language not in LANGUAGES:
        return []
    own = _patterns(language)
    found: list[FigureFound] = []
    taken: list[tuple[int, int]] = []
    for date in own.date.finditer(text):
        value = _day(date, own)
        if value is not None:
            found.append(FigureFound("date", value, value, _bound(own, text, date.span()), date.span()))
            taken.append(date.span())
    for pattern in own.clocks:
        for clock in pattern.finditer(text):
            if not _overlaps(clock.span(), taken):
                minutes = _minutes(clock, own)
                found.append(FigureFound("clock", minutes, minutes, _bound(own, text, clock.span()), clock.span()))
                taken.append(clock.span())
    found.extend(_amounts(text, taken, own))
    return sorted(found, key=lambda each: each.span)


def apart(one: FigureFound, other: FigureFound) -> bool:
    """Whether two figures of one kind can't both be true of the same thing."""
    if {one.bound, other.bound} == {"least", "most"}:
        return False
    if one.is_range and other.is_range:
        return (one.low, one.high) != (other.low, other.high)
    if one.kind == "date" and min(one.low, other.low) < _YEARLESS:
        return one.low % _YEARLESS != other.low % _YEARLESS
    return one.low > other.high or other.low > one.high


def _amounts(text: str, taken: list[tuple[int, int]], own: _Patterns) -> Iterator[FigureFound]:
    for match in own.figure.finditer(text):
        before = text[: match.start("low")]
        if _overlaps(match.span("low"), taken) or own.named.search(before):
            continue
        kind, factor_low, factor_high, end = _kind(match, text, own)
        if not kind:
            continue
        scale = own.words.scales.get((match["scale"] or "").lower(), 1.0)
        low = _value(match["low"], own.words) * scale
        high = _value(match["high"], own.words) * scale if match["high"] else low
        yield FigureFound(
            kind, low * factor_low, max(low, high) * factor_high, _bound(own, text, (match.start(), end)),
            (match.start(), end), bool(match["high"]),
        )  # fmt: skip


def _kind(match: re.Match[str], text: str, own: _Patterns) -> tuple[str, float, float, int]:
    """What a number measures, its factors to the common unit, and where it ends."""
    words = own.words
    unit = (match["unit"] or "").lower()
    sign = (match["sign"] or "").lower() or unit
    end = match.end("unit") if match["unit"] else match.end("high") if match["high"] else match.end("low")
    if match["scale"] and not match["high"]:
        end = max(end, match.end("scale"))
    if sign and sign not in words.money:
        return "share", 1.0, 1.0, end
    if sign:
        each, more = _period(text[end:], own)
        return f"money:{words.money[sign]}{each}", 1.0, 1.0, end + more
    if match["low"].lower() in words.times:
        each, more = _period(text[end:], own)
        return f"times{each}", 1.0, 1.0, end + more
    nouns = (match["noun"] or "").lower().split()
    for place, word in enumerate(nouns):
        if word in words.skipped:
            break
        size = _SIZES.get(word) if word not in _FRENCH_SIZES or own.language == "fr" else None
        span = words.days(word)
        if size is not None or span is not None:
            low, high = (size, size) if size is not None else span or (1.0, 1.0)
            return (
                "size" if size is not None else "time", low, high,
                match.start("noun") + len(" ".join(nouns[: place + 1])),
            )  # fmt: skip
    if not nouns or nouns[0] in words.skipped or match["low"].lower() in words.singles:
        return "", 1.0, 1.0, end
    after = match.start("noun") + len(nouns[0])
    each, more = _period(text[after:], own)
    return f"{_counted(nouns[0], own)}{each}", 1.0, 1.0, after + more


def _counted(noun: str, own: _Patterns) -> str:
    if own.language != "en":
        return stem(noun, own.language)
    return noun.removesuffix("s")


def _period(after: str, own: _Patterns) -> tuple[str, int]:
    """What a figure is given for (`/month`), and how long the word is that says so: `pro` is also a plan."""
    match = own.period.match(after)
    if match is None:
        return "", 0
    if match["adverb"]:
        return f"/{own.words.adverbs[match['adverb'].lower()]}", 0
    group = "each" if match["each"] else "unit"
    word = match[group].lower()
    return f"/{own.words.spans.get(word) or _counted(word, own)}", match.start(group)


def _bound(own: _Patterns, text: str, span: tuple[int, int]) -> str:
    before, after = text[: span[0]], text[span[1] :]
    if own.least.search(before):
        return "least"
    if own.most.search(before):
        return "most"
    if own.least_after.match(after):
        return "least"
    return "most" if own.most_after.match(after) else ""


def _value(text: str, words: FigureWords) -> float:
    lowered = text.lower()
    for known in (words.times, words.numerals, words.singles):
        if lowered in known:
            return known[lowered]
    if words.comma:
        grouped = re.fullmatch(r"\d{1,3}(?:[.\u202f\u00a0 '’]\d{3})+(?:,\d+)?", lowered)
        lowered = re.sub(r"[.'’]", "", lowered) if grouped else lowered
        lowered = lowered.replace(",", ".")
    return float(re.sub(r"[,\s\u202f\u00a0]", "", lowered))


def _day(match: re.Match[str], own: _Patterns) -> float | None:
    groups = match.groupdict()
    if groups.get("iso"):
        year, month, day = map(int, groups["iso"].split("-"))
    elif groups.get("numeric"):
        day, month, year = map(int, re.split(r"[./-]", groups["numeric"]))
    else:
        name = (groups.get("month") or groups.get("month2") or "").lower().rstrip(".")
        month = own.words.months[name[:3] if own.language == "en" else name]
        day = int(groups.get("day") or groups.get("day2") or 0)
        year = int(groups.get("year") or groups.get("year2") or 0)
    return float(year * _YEARLESS + month * 100 + day) if 1 <= month <= 12 and 1 <= day <= 31 else None


def _minutes(match: re.Match[str], own: _Patterns) -> float:
    groups = match.groupdict()
    hour, half = int(groups["hour"]), groups.get("half")
    if half:
        hour = hour % 12 + (12 if own.afternoon.match(half) else 0)
    return hour * 60.0 + int(groups.get("minute") or 0)


def _overlaps(span: tuple[int, int], taken: list[tuple[int, int]]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in taken)


@lru_cache(maxsize=len(LANGUAGES))
def _patterns(language: str) -> _Patterns:
    words = figure_words(language)

    def whole(pattern: str) -> re.Pattern[str]:
        return re.compile(pattern, re.IGNORECASE)

    after = "" if language == "en" else "(?:nach |dans |après |después de |dopo |após |na )?"
    return _Patterns(
        language,
        words,
        date=_date(words, language),
        clocks=tuple(map(whole, (*words.clocks, r"\b(?P<hour>\d{1,2}):(?P<minute>\d{2})\b"))),
        figure=_figure(words),
        named=whole(rf"\b(?:{words.named})[ .:#]*$|[A-Za-z]-?$|\d[./:-]$"),
        period=_periods(words),
        least=whole(rf"\b(?:{words.least})\W*{after}$"),
        most=whole(rf"\b(?:{words.most})\W*{after}$"),
        least_after=whole(rf"\W{{0,2}}(?:{words.least_after})\b"),
        most_after=whole(rf"\W{{0,2}}(?:{words.most_after})\b"),
        afternoon=whole(words.afternoon),
    )


def _date(words: FigureWords, language: str) -> re.Pattern[str]:
    iso = r"\b(?P<iso>\d{4}-\d{2}-\d{2})\b"
    if language == "en":
        month = rf"(?:{'|'.join(words.months)})[a-z]*\.?"
        return re.compile(
            rf"{iso}|\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?P<month>{month})"
            rf"(?:,?\s+(?P<year>\d{{4}}))?\b|\b(?P<month2>{month})\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?!\d|:)"
            rf"(?:,?\s+(?P<year2>\d{{4}}))?\b",
            re.IGNORECASE,
        )
    return re.compile(
        rf"{iso}|\b(?P<numeric>\d{{1,2}}(?P<mark>[./-])\d{{1,2}}(?P=mark)\d{{4}})\b|\b(?P<day>\d{{1,2}})(?:\.|er|º|°)?\s+(?:de\s+)?"
        rf"(?P<month>{_any(words.months)})\b\.?(?:\s+(?:del?\s+)?(?P<year>\d{{4}})\b)?",
        re.IGNORECASE,
    )


def _figure(words: FigureWords) -> re.Pattern[str]:
    if words.comma:
        number = rf"\d{{1,3}}(?:[.{_SPACES}'’]\d{{3}})+(?!\d)(?:,\d+)?|\d+(?:[.,]\d+)?"
    else:
        number = rf"\d{{1,3}}(?:[,{_SPACES}]\d{{3}})+(?!\d)|\d+(?:\.\d+)?"
    short = "".join(rf"|{name}\b" for name in words.spans if len(name) == 1)
    spelt = _any((*words.numerals, *words.times, *words.singles))
    signs = [name for name in words.money if not name[-1].isalpha()]
    named = [name for name in words.money if name[-1].isalpha()]
    sign, unit = "|".join(map(re.escape, sorted(signs, key=len, reverse=True))), _any(named)
    return re.compile(
        rf"(?P<sign>{sign}|\b(?:{unit})\b)?\s?(?<![\w.])(?P<low>{number}|\b(?:{spelt})(?:\b|(?<=['’])))"
        rf"(?:\s?(?P<scale>{_any(words.scales)})\b)?(?:\s?(?:-|–|—|{words.between})\s?(?P<sign2>{sign})?"
        rf"(?P<high>{number})(?![\w-]))?(?:\s?(?P<unit>%|(?:{words.share}|{unit})\b|{sign})"
        r"|[ -]?(?:(?:d['’]|de )(?=\w))?(?P<noun>[^\W\d_]{2,}(?:\s[^\W\d_]{2,})?"
        rf"{short}))?",
        re.IGNORECASE,
    )


def _periods(words: FigureWords) -> re.Pattern[str]:
    each = words.each.removesuffix("|/")
    units = _any((*words.spans, *(name for name in words.spans.values())))
    weak = rf"|^\W*(?:(?:{words.each_unit})\s*)(?P<unit>(?:{units}))\b" if words.each_unit else r"|(?P<unit>(?!))"
    return re.compile(
        rf"^\W*(?:(?:(?:{each})\b|/)\s*)(?P<each>\w+){weak}|^\W*(?P<adverb>{_any(words.adverbs)})\b", re.IGNORECASE
    )


def _any(names: Iterable[str]) -> str:
    """A pattern that takes any of `names`, the longest first."""
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
