"""Splits prose into sentences; abbreviations, code, numbers and addresses do not end one."""

from __future__ import annotations

import re

_SHORTENED = """
e.g i.e etc vs mr mrs ms dr prof st approx incl excl no nr art fig inc ltd co corp dept est min max resp cf al
z.b d.h u.a u.u usw bzw ca ggf inkl vgl evtl tel str abs s.o s.u o.ä sog zzgl p.ex ex m mme mlle env ej p.ej
sr sra ud uds vd aprox núm sig sigg dott pag es bijv d.w.z enz m.b.t t.o.v o.a jan feb mar apr jun jul aug sep
sept oct okt nov dec dez a.m p.m u.s
"""
_ABBREVIATIONS = frozenset(_SHORTENED.split())
_CODE_SPAN = re.compile(r"(`+)(?:(?!\1).)+?\1", re.DOTALL)
_END = re.compile(r"(?P<mark>[.!?…]+[\"'”’»)\]*_]*)(?P<gap>\s+)(?=(?P<next>\S))|(?P<wide>[。！？]+[」』”]*)")
_LAST_WORD = re.compile(r"([^\s(\[\"'“„«]+)$")
_MONTH = re.compile(r"(?:jan|feb|mär|apr|mai|jun|jul|aug|sep|okt|nov|dez|maj)[a-zäöü]*\b", re.IGNORECASE)
_OPENERS = "\"'“„«(¿¡*_`["


def split_sentences(text: str) -> list[str]:
    """Sentences of `text` in order, each stripped; nothing is lost but the white space between them."""
    protected = [match.span() for match in _CODE_SPAN.finditer(text)]
    sentences: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if any(begin < match.start() < end for begin, end in protected):
            continue
        if match["wide"] is None and not _ends_sentence(text[start : match.start()], match):
            continue
        end = match.end("wide") if match["wide"] is not None else match.end("mark")
        sentences.append(text[start:end].strip())
        start = end
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _ends_sentence(before: str, match: re.Match[str]) -> bool:
    following = match["next"]
    if not (following.isupper() or following.isdigit() or following in _OPENERS or not following.isascii()):
        return False
    if not match["mark"].startswith(".") or match["mark"].startswith(".."):
        return True
    last = _LAST_WORD.search(before)
    word = last[1].lower() if last else ""
    if word in _ABBREVIATIONS:
        return False
    if len(word) == 1 and word.isalpha() and word.isascii() and word not in "ai":
        return False
    # A number is an ordinal before a month ("3. Mai") and in front ("2. Click"); else it ends the sentence.
    ordinal = word.isdigit() and len(word) <= 2
    return not (ordinal and (before.strip() == word or _MONTH.match(match.string, match.end())))
