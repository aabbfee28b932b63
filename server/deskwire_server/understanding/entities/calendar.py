"""Names of days, months and relative times in the languages that dates are understood in."""

from __future__ import annotations


def _table(*rows: str) -> dict[str, int]:
    """Rows of the names of one thing, numbered from 1."""
    return {name: number for number, row in enumerate(rows, 1) for name in row.replace("_", " ").split("|")}


MONTHS: dict[str, int] = _table(
    "january|jan|januar|janvier|enero|gennaio|janeiro|januari",
    "february|feb|februar|février|fevrier|febrero|febbraio|fevereiro|februari",
    "march|mar|märz|maerz|mars|marzo|março|maart",
    "april|apr|avril|abril|aprile",
    "may|mai|mayo|maggio|maio|mei",
    "june|jun|juni|juin|junio|giugno|junho",
    "july|jul|juli|juillet|julio|luglio|julho",
    "august|aug|août|aout|agosto|augustus",
    "september|sept|sep|septembre|septiembre|settembre|setembro",
    "october|oct|oktober|okt|octobre|octubre|ottobre|outubro",
    "november|nov|novembre|noviembre|novembro",
    "december|dec|dezember|dez|décembre|decembre|diciembre|dicembre|dezembro|dic",
)
WEEKDAYS: dict[str, int] = _table(
    "monday|montag|lundi|lunes|lunedì|lunedi|segunda-feira|maandag",
    "tuesday|dienstag|mardi|martes|martedì|martedi|terça-feira|dinsdag",
    "wednesday|mittwoch|mercredi|miércoles|miercoles|mercoledì|mercoledi|quarta-feira|woensdag",
    "thursday|donnerstag|jeudi|jueves|giovedì|giovedi|quinta-feira|donderdag",
    "friday|freitag|vendredi|viernes|venerdì|venerdi|sexta-feira|vrijdag",
    "saturday|samstag|samedi|sábado|sabado|sabato|zaterdag",
    "sunday|sonntag|dimanche|domingo|domenica|zondag",
)
DAYS: dict[str, int] = {
    "the day before yesterday": -2, "day before yesterday": -2, "vorgestern": -2, "avant-hier": -2, "anteayer": -2,
    "antes de ayer": -2, "anteontem": -2, "l'altro ieri": -2, "eergisteren": -2,
    "yesterday": -1, "gestern": -1, "hier": -1, "ayer": -1, "ontem": -1, "ieri": -1, "gisteren": -1,
    "last night": -1, "yday": -1,
    "today": 0, "tonight": 0, "heute": 0, "aujourd'hui": 0, "hoy": 0, "hoje": 0, "oggi": 0, "vandaag": 0,
    "this morning": 0, "this afternoon": 0, "this evening": 0, "heute früh": 0, "heute morgen": 0, "ce matin": 0,
    "esta mañana": 0, "vanmorgen": 0, "stamattina": 0, "hoje de manhã": 0, "end of day": 0, "eod": 0,
    "tomorrow": 1, "tmrw": 1, "tmr": 1, "tomorow": 1, "tommorow": 1, "tommorrow": 1, "demain": 1, "amanhã": 1,
    "domani": 1, "mañana": 1, "morgen früh": 1, "übermorgen": 2, "après-demain": 2, "pasado mañana": 2,
    "depois de amanhã": 2, "dopodomani": 2, "overmorgen": 2, "the day after tomorrow": 2, "day after tomorrow": 2,
}  # fmt: skip
"""Whole days from today."""

UNITS: dict[str, str] = {
    name: unit
    for unit, names in {
        "minute": "minute minutes min mins minuten minuto minutos minuti minuut",
        "hour": "hour hours hr hrs stunde stunden heure heures hora horas ora ore uur",
        "day": "day days tag tage tagen jour jours día días dia dias giorno giorni dag dagen",
        "week": "week weeks wk wks woche wochen semaine semaines semana semanas settimana settimane weken",
        "month": "month months monat monate monaten mois mes meses mese mesi maand maanden mês",
        "year": "year years yr yrs jahr jahre jahren an ans année año años anno anni ano anos jaar",
    }.items()
    for name in names.split()
}
NUMBERS: dict[str, int] = {
    name: number
    for number, names in {
        1: "a an one einem einer ein eine un une una uno um uma een",
        2: "two zwei deux dos due dois duas twee couple",
        3: "three drei trois tres tre três drie few",
        4: "four vier quatre cuatro quattro quatro",
        5: "five fünf cinq cinco cinque vijf",
        6: "six sechs seis sei zes",
        7: "seven sieben sept siete sette sete zeven",
        8: "eight acht huit ocho otto oito",
        9: "nine neun neuf nueve nove negen",
        10: "ten zehn dix diez dieci dez tien",
    }.items()
    for name in names.split()
}
PAST = (
    r"last|past|previous|letzten?r?s?|vorigen?s?|dernière?|passée?|pasad[oa]|últim[oa]|passad[oa]|scors[oa]|"
    r"vorige|afgelopen"
)
COMING = r"next|coming|nächsten?r?s?|kommenden?s?|prochaine?|próxim[oa]|proxim[oa]|prossim[oa]|volgende|komende"
CURRENT = r"this|diesen?r?s?|cette|cet|ce|esta|este|questa|questo|deze|dit"
