"""Dates in messages, relative ones counted from now. The value is an ISO 8601 day, moment, month or interval.

General parsers of dates take tens of milliseconds a message and see dates in plain numbers and short words; these
patterns read only what is plainly a date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import chain

from deskwire_server.understanding.entities.calendar import (
    COMING,
    CURRENT,
    DAYS,
    MONTHS,
    NUMBERS,
    PAST,
    UNITS,
    WEEKDAYS,
)
from deskwire_server.understanding.entities.model import Entity


def _any(names: dict[str, int] | dict[str, str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_MONTH, _WEEKDAY, _UNIT, _COUNT = _any(MONTHS), _any(WEEKDAYS), _any(UNITS), rf"\d{{1,3}}|{_any(NUMBERS)}"
_LONG_MONTH = "|".join(re.escape(name) for name in sorted(MONTHS, key=len, reverse=True) if len(name) > 3)
_CLOCK = (
    r"(?:(?:,?\s{1,3}(?:at|um|à|a las|alle|às|om|@|by|before)|"
    r",)?\s{1,3}(?P<clock>\d{1,2}(?:[:h]\d{2})?\s?(?:[ap]\.?m\b\.?|uhr|h\b)|\d{1,2}:\d{2}))?"
)
_FORMS: tuple[tuple[str, str], ...] = (
    ("iso", r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?Z?)?"),
    ("numeric", r"(?P<n1>\d{1,2})(?P<mark>[./-])(?P<n2>\d{1,2})(?P=mark)(?P<n3>\d{4}|\d{2})"),
    (
        "day_month",
        rf"(?P<d1>\d{{1,2}})(?:st|nd|rd|th|\.|er|º)?\s{{0,3}}(?:of\s{{1,3}}|de\s{{1,3}}|di\s{{1,3}})?(?P<m1>{_MONTH})\b\.?"
        rf"(?:,?\s{{1,3}}(?:de\s{{1,3}}|del\s{{1,3}})?(?P<y1>(?:19|20)\d{{2}}))?",
    ),
    (
        "month_day",
        rf"(?P<m2>{_MONTH})\.?\s{{1,3}}(?:the\s{{1,3}})?(?P<d2>\d{{1,2}})(?:st|nd|rd|"
        rf"th)?\b(?![:.,]?\d)(?:,?\s{{1,3}}(?P<y2>(?:19|20)\d{{2}}))?",
    ),
    ("month_year", rf"(?P<m3>{_MONTH})\.?,?\s{{1,3}}(?:de\s{{1,3}})?(?P<y3>(?:19|20)\d{{2}})"),
    ("days", rf"(?P<days>{_any(DAYS)})"),
    ("ago", rf"(?P<c1>{_COUNT})\s{{1,3}}(?:of\s{{1,3}})?(?P<u1>{_UNIT})\s{{1,3}}(?:ago|geleden|fa|atrás)"),
    ("ago_before", rf"(?:vor|il y a|hace|há)\s{{1,3}}(?P<c2>{_COUNT})\s{{1,3}}(?P<u2>{_UNIT})"),
    (
        "ahead",
        rf"(?:in|within|dans|en|dentro de|em|tra|fra|over|"
        rf"binnen)\s{{1,3}}(?:the next\s{{1,3}})?(?P<c3>{_COUNT})\s{{1,3}}(?:of\s{{1,3}})?(?P<u3>{_UNIT})",
    ),
    (
        "weekday",
        rf"(?:(?P<w_past>{PAST}|since|seit|depuis|desde|sinds)\s{{1,3}}|(?P<w_next>{COMING})\s{{1,3}}|"
        rf"(?P<w_this>{CURRENT})\s{{1,3}})?(?P<weekday>{_WEEKDAY})",
    ),
    (
        "period",
        rf"(?:(?P<p_past>{PAST})|(?P<p_next>{COMING})|(?P<p_this>{CURRENT}))\s{{1,3}}(?P<unit>week(?:end)?|month|"
        rf"year|{_UNIT})",
    ),
    (
        "period_after",
        r"(?P<unit_r>semaine|mois|semana|mes|mês|settimana|mese|an|año|ano|anno|"
        r"année)\s{1,3}(?:(?P<r_past>dernière?|passée?|pasad[oa]|passad[oa]|scors[oa])|(?P<r_next>prochaine?|"
        r"próxim[oa]|prossim[oa]|que viene))",
    ),
    (
        "month",
        rf"(?:(?:in|since|for|from|until|till|of|für|im|seit|de|pour|en|per|di|van|voor)\s{{1,3}}|"
        rf"(?P<mo_past>{PAST})\s{{1,3}}|(?P<mo_next>{COMING})\s{{1,3}})(?P<m4>{_LONG_MONTH}|(?-i:May))"
        r"(?!\s{1,3}(?:the\s{1,3})?\d)",
    ),
    (
        "month_end",
        r"(?:the\s{1,3})?(?P<edge>end|start|beginning)\s{1,3}of\s{1,3}(?:the|this|next)?\s{0,3}(?P<edge_unit>month|week|year)",
    ),
)


def _form(kind: str, form: str) -> str:
    """A form in a group of its own, with a time of day behind it where one may be."""
    clock = _CLOCK.replace("<clock>", f"<clock_{kind}>") if kind in ("days", "weekday") else ""
    return rf"(?P<k_{kind}>(?<![\w@#/.-]){form}(?![\w@])){clock}"


_DATE = re.compile("|".join(_form(kind, form) for kind, form in _FORMS), re.IGNORECASE)
_CLOCK_FORM = re.compile(r"(\d{1,2})(?:[:h](\d{2}))?\s?([ap])?", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_TELLING = frozenset(
    word for names in (MONTHS, WEEKDAYS, DAYS, UNITS, {"weekend": 0}) for name in names for word in _WORD.findall(name)
) - {"the", "a", "of", "last", "this", "de", "l", "esta", "ce", "hui"}
_REACH = 30
"""Code points before and behind a telling word that may belong to a date."""
_NEAR_DAYS, _NEAR_MONTHS = 92, 3
"""How far ahead a date without a year may lie; further ones are past: people write of
what they bought and were billed."""


def dates(text: str, now: datetime, *, month_first: bool = True) -> Iterator[Entity]:
    """Dates in `text`, in order. `month_first` reads 3/4/2025 as the fourth of March."""
    for match in chain.from_iterable(_DATE.finditer(text, start, end) for start, end in _windows(text)):
        kind = next(name for name, _ in _FORMS if match[f"k_{name}"])
        value = _value(kind, match, now, month_first)
        if value is None:
            continue
        start, end = match.span()
        if kind == "month":
            start = match.start("m4") if not (match["mo_past"] or match["mo_next"]) else start
        elif kind == "weekday" and match["w_past"] and match["w_past"].lower() in _SINCE:
            start = match.start("weekday")
        lead = len(text[start:end]) - len(text[start:end].lstrip())
        yield Entity("date", text[start + lead : end], start + lead, end, value)


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Stretches of `text` around words that dates are made of. Most of a long text is not looked at closely."""
    start = end = -1
    for word in _WORD.finditer(text):
        if not (word[0][0].isdigit() or word[0].lower() in _TELLING):
            continue
        if word.start() - _REACH > end:
            if end > 0:
                yield start, end
            start = max(0, word.start() - _REACH)
        end = min(len(text), word.end() + _REACH)
    if end > 0:
        yield start, end


_SINCE = frozenset({"since", "seit", "depuis", "desde", "sinds"})


def _value(kind: str, match: re.Match[str], now: datetime, month_first: bool) -> str | None:
    today = now.date()
    try:
        if kind == "iso":
            return datetime.fromisoformat(match["k_iso"].replace("Z", "+00:00")).isoformat()[: len(match["k_iso"])]
        if kind == "numeric":
            return _numeric(match, month_first)
        if kind in ("day_month", "month_day"):
            number = "1" if kind == "day_month" else "2"
            return _named(match["m" + number], match["d" + number], match["y" + number], today)
        if kind == "month_year":
            return f"{int(match['y3'])}-{MONTHS[match['m3'].lower()]:02d}"
        if kind == "month":
            return _month_alone(match, today)
        return _relative(kind, match, now)
    except ValueError:  # the thirtieth of February
        return None


def _numeric(match: re.Match[str], month_first: bool) -> str:
    first, second, year = int(match["n1"]), int(match["n2"]), int(match["n3"])
    year += 2000 if year < 100 else 0
    month_leads = second > 12 or (match["mark"] == "/" and month_first and first <= 12)
    month, day = (first, second) if month_leads else (second, first)
    return date(year, month, day).isoformat()


def _named(month: str, day: str, year: str | None, today: date) -> str:
    """Without a year: the day to come where it is near, else the one that is past."""
    number = MONTHS[month.lower()]
    if year:
        return date(int(year), number, int(day)).isoformat()
    coming = date(today.year, number, int(day))
    if coming < today:
        coming = date(today.year + 1, number, int(day))
    return (coming if (coming - today).days <= _NEAR_DAYS else coming.replace(year=coming.year - 1)).isoformat()


def _month_alone(match: re.Match[str], today: date) -> str:
    name = match["m4"]
    number = MONTHS[name.lower()]
    ahead = (number - today.month) % 12
    if match["mo_past"] or (not match["mo_next"] and ahead > _NEAR_MONTHS):
        return f"{today.year - (number >= today.month)}-{number:02d}"
    if match["mo_next"]:
        return f"{today.year + (number <= today.month)}-{number:02d}"
    return f"{today.year + (number < today.month)}-{number:02d}"


def _relative(kind: str, match: re.Match[str], now: datetime) -> str | None:
    today = now.date()
    if kind == "days":
        return _at(today + timedelta(DAYS[match["days"].lower().replace("’", "'")]), match["clock_days"])
    if kind == "weekday":
        return _at(_weekday(match, today), match["clock_weekday"])
    if kind == "ago":
        return _shifted(now, -_count(match["c1"]), match["u1"])
    if kind == "ago_before":
        return _shifted(now, -_count(match["c2"]), match["u2"])
    if kind == "ahead":
        return _shifted(now, _count(match["c3"]), match["u3"])
    if kind == "month_end":
        first, last = _period(today, match["edge_unit"].lower(), 1 if "next" in match[0].lower() else 0)
        return (last if match["edge"].lower() == "end" else first).isoformat()
    if kind == "period_after":
        return _interval(today, UNITS[match["unit_r"].lower()], -1 if match["r_past"] else 1)
    unit = match["unit"].lower()
    steps = -1 if match["p_past"] else 1 if match["p_next"] else 0
    if unit == "weekend":
        monday = today - timedelta(today.weekday()) + timedelta(7 * steps)
        return f"{monday + timedelta(5)}/{monday + timedelta(6)}"
    if UNITS[unit] in ("minute", "hour", "day"):
        return None
    return _interval(today, UNITS[unit], steps)


def _weekday(match: re.Match[str], today: date) -> date:
    wanted = WEEKDAYS[match["weekday"].lower()] - 1
    if match["w_past"]:
        return today - timedelta((today.weekday() - wanted) % 7 or 7)
    ahead = (wanted - today.weekday()) % 7
    return today + timedelta(ahead or (0 if match["w_this"] else 7))


def _at(day: date, clock: str | None) -> str:
    told = _CLOCK_FORM.match(clock) if clock else None
    if told is None:
        return day.isoformat()
    hour, minute = int(told[1]), int(told[2] or 0)
    if told[3]:
        hour = hour % 12 + (12 if told[3].lower() == "p" else 0)
    return datetime(day.year, day.month, day.day, hour, minute).isoformat(timespec="minutes")


def _count(text: str) -> int:
    return int(text) if text.isdigit() else NUMBERS[text.lower()]


def _shifted(now: datetime, count: int, unit_name: str) -> str:
    unit = UNITS[unit_name.lower()]
    if unit in ("minute", "hour"):
        return (now + timedelta(**{unit + "s": count})).isoformat(timespec="minutes")[:16]
    if unit in ("day", "week"):
        return (now.date() + timedelta(count * (7 if unit == "week" else 1))).isoformat()
    months = now.year * 12 + now.month - 1 + count * (12 if unit == "year" else 1)
    return date(months // 12, months % 12 + 1, min(now.day, 28)).isoformat()


def _period(today: date, unit: str, steps: int) -> tuple[date, date]:
    """First and last day of a week, month or year `steps` from now."""
    if unit == "week":
        first = today - timedelta(today.weekday()) + timedelta(7 * steps)
        return first, first + timedelta(6)
    if unit == "year":
        return date(today.year + steps, 1, 1), date(today.year + steps, 12, 31)
    months = today.year * 12 + today.month - 1 + steps
    first = date(months // 12, months % 12 + 1, 1)
    return first, date((months + 1) // 12, (months + 1) % 12 + 1, 1) - timedelta(1)


def _interval(today: date, unit: str, steps: int) -> str:
    """A month as `2026-10`, a year as `2025`, a week as an interval of its days."""
    first, last = _period(today, unit, steps)
    if unit == "month":
        return first.isoformat()[:7]
    return str(first.year) if unit == "year" else f"{first}/{last}"
