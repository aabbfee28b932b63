"""Reads the figures of a sentence: amounts with their units, money, shares, spans of time, dates, times of day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NUMERALS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
"""
_WORDS = {name: value for value, name in enumerate(_NUMERALS.split())} | {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100,
}  # fmt: skip
_TIMES = {"once": 1.0, "twice": 2.0}
_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "billion": 1e9}
_SPANS = {
    "second": (1 / 86_400, 1 / 86_400), "sec": (1 / 86_400, 1 / 86_400),
    "minute": (1 / 1_440, 1 / 1_440), "min": (1 / 1_440, 1 / 1_440),
    "hour": (1 / 24, 1 / 24), "day": (1, 1), "week": (7, 7), "month": (28, 31), "year": (360, 366),
}  # fmt: skip
"""Shortest and longest of each, in days."""
_SIZES = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES.split(), 1)}
_NUMBER = r"\d{1,3}(?:[,\u202f\u00a0 ]\d{3})+(?!\d)|\d+(?:\.\d+)?"
_SPELT = "|".join(sorted((*_WORDS, *_TIMES), key=len, reverse=True))
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    rf"\b(?P<iso>\d{{4}}-\d{{2}}-\d{{2}})\b|\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?P<month>{_MONTH})"
    rf"(?:,?\s+(?P<year>\d{{4}}))?\b|\b(?P<month2>{_MONTH})\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?!\d|:)"
    rf"(?:,?\s+(?P<year2>\d{{4}}))?\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\b(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>[ap]\.?m\b\.?)|\b(?P<h24>\d{1,2}):(?P<m24>\d{2})\b",
    re.IGNORECASE,
)
_FIGURE = re.compile(
    rf"(?P<sign>US\$|[$€£¥])?\s?(?<![\w.])(?P<low>{_NUMBER}|\b(?:{_SPELT})\b)"
    r"(?:\s?(?P<scale>k|m|thousand|million|billion)\b)?"
    rf"(?:\s?(?:-|–|—|to|and)\s?(?P<sign2>[$€£])?(?P<high>{_NUMBER})(?![\w-]))?"
    r"(?:\s?(?P<unit>%|percent\b|per cent\b|[$€£]|EUR\b|USD\b|GBP\b|euros?\b|dollars?\b|pounds?\b)"
    r"|[ -]?(?P<noun>[^\W\d_]{2,}(?:\s[^\W\d_]{2,})?))?",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\b(?:version|v|steps?|figure|fig|error|code|http|status|port|section|chapter|rfc|iso|option|part|page|no|number|"
    r"layer|level|tier|phase|ga|windows|ios|android|q|#)[ .:#]*$|[A-Za-z]-?$|\d[./:-]$",
    re.IGNORECASE,
)
"""What makes the number after it a name."""
_MONEY = {"$": "usd", "us$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "euro": "eur", "dollar": "usd", "pound": "gbp"}
_PERIOD = re.compile(
    r"^\W*(?:(?:per|a|an|each|every|/)\s*)(?P<each>\w+)|^\W*(?P<adverb>daily|weekly|monthly|yearly|annually)\b",
    re.IGNORECASE,
)
_ADVERBS = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year", "annually": "year"}
_LEAST = re.compile(
    r"\b(?:at least|minimum(?: of)?|more than|over|from|above|no (?:less|fewer) than)\W*$", re.IGNORECASE
)
_MOST = re.compile(
    r"\b(?:up to|at most|maximum(?: of)?|less than|fewer than|under|within|no more than|below|limit(?:ed)? to)\W*$",
    re.IGNORECASE,
)
_SKIPPED_TEXT = "of or and the in on at to is are was will for by with more other if it as different"
_SKIPPED_NOUNS = frozenset(_SKIPPED_TEXT.split())


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


def figures(text: str) -> list[FigureFound]:
    """Figures of `text` that measure something, in order."""
    found: list[FigureFound] = []
    taken: list[tuple[int, int]] = []
    for date in _DATE.finditer(text):
        value = _day(date)
        if value is not None:
            found.append(FigureFound("date", value, value, _bound(text[: date.start()]), date.span()))
            taken.append(date.span())
    for clock in _CLOCK.finditer(text):
        if not _overlaps(clock.span(), taken):
            minutes = _minutes(clock)
            found.append(FigureFound("clock", minutes, minutes, _bound(text[: clock.start()]), clock.span()))
            taken.append(clock.span())
    found.extend(_amounts(text, taken))
    return sorted(found, key=lambda each: each.span)


def _amounts(text: str, taken: list[tuple[int, int]]) -> Iterator[FigureFound]:
    for match in _FIGURE.finditer(text):
        before = text[: match.start("low")]
        if _overlaps(match.span("low"), taken) or _NAMED.search(before):
            continue
        kind, factor_low, factor_high, end = _kind(match, text)
        if not kind:
            continue
        scale = _SCALES.get((match["scale"] or "").lower(), 1.0)
        low = _value(match["low"]) * scale
        high = _value(match["high"]) * scale if match["high"] else low
        yield FigureFound(
            kind, low * factor_low, max(low, high) * factor_high, _bound(text[: match.start()]), (match.start(), end),
            bool(match["high"]),
        )  # fmt: skip


def _kind(match: re.Match[str], text: str) -> tuple[str, float, float, int]:
    """What a number measures, its factors to the common unit, and where it ends."""
    sign = (match["sign"] or "").lower() or (match["unit"] or "").lower().rstrip("s")
    end = match.end("unit") if match["unit"] else match.end("high") if match["high"] else match.end("low")
    if match["scale"] and not match["high"]:
        end = max(end, match.end("scale"))
    if sign in ("%", "percent", "per cent"):
        return "share", 1.0, 1.0, end
    if sign:
        money = _MONEY.get(sign, sign)
        return f"money:{money}{_period(text[end:])}", 1.0, 1.0, end
    if match["low"].lower() in _TIMES:
        return f"times{_period(text[end:])}", 1.0, 1.0, end
    words = (match["noun"] or "").lower().split()
    for place, word in enumerate(words):
        singular = word[:-1] if word.endswith("s") and not word.endswith("ss") else word
        if word in _SIZES or singular in _SPANS:
            low, high = (_SIZES[word],) * 2 if word in _SIZES else _SPANS[singular]
            kind = "size" if word in _SIZES else "time"
            return kind, low, high, match.start("noun") + len(" ".join(words[: place + 1]))
        if word in _SKIPPED_NOUNS:
            break
    if not words or words[0] in _SKIPPED_NOUNS:
        return "", 1.0, 1.0, end
    noun = words[0][:-1] if words[0].endswith("s") else words[0]
    after = match.start("noun") + len(words[0])
    return f"{noun}{_period(text[after:])}", 1.0, 1.0, after


def _period(after: str) -> str:
    match = _PERIOD.match(after)
    if match is None:
        return ""
    each = _ADVERBS.get((match["adverb"] or "").lower()) or (match["each"] or "").lower()
    return f"/{each}"


def _bound(before: str) -> str:
    if _LEAST.search(before):
        return "least"
    return "most" if _MOST.search(before) else ""


def _value(text: str) -> float:
    lowered = text.lower()
    if lowered in _TIMES:
        return _TIMES[lowered]
    if lowered in _WORDS:
        return float(_WORDS[lowered])
    return float(re.sub(r"[,\s\u202f\u00a0]", "", text))


def _day(match: re.Match[str]) -> float | None:
    if match["iso"]:
        year, month, day = map(int, match["iso"].split("-"))
    else:
        month = _MONTHS[(match["month"] or match["month2"])[:3].lower()]
        day, year = int(match["day"] or match["day2"]), int(match["year"] or match["year2"] or 0)
    return float(year * 10_000 + month * 100 + day) if 1 <= month <= 12 and 1 <= day <= 31 else None


def _minutes(match: re.Match[str]) -> float:
    if match["h24"]:
        return int(match["h24"]) * 60.0 + int(match["m24"])
    hour = int(match["hour"]) % 12 + (12 if match["half"].lower().startswith("p") else 0)
    return hour * 60.0 + int(match["minute"] or 0)


def _overlaps(span: tuple[int, int], taken: list[tuple[int, int]]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in taken)
