"""Turns a heading into the question that a user might ask, where one comes of it naturally."""

from __future__ import annotations

import re

_ASKS = {
    "en": r"(?:(?:how|what|which)(?: (?!is\b|are\b)\w+)?|where|when|who) (?:is|are|was|do|does|did|can|could|will|"
    r"would|should|may|must|has|have|happens|counts|means|if)|why (?:is|are|do|does|did|can|can't|isn't|aren't|don't|"
    r"doesn't|won't|was|were|has|have|should|would|will)|can|could|do|does|is|are|will|should|may",
    "de": r"wie|was|wo|wann|warum|wieso|wer|wohin|welche\w*|kann|können|gibt|ist|sind|muss|darf",
    "fr": r"comment|pourquoi|où|quand|quel\w*|qui|que|qu'est-ce|combien|puis-je|peut-on|est-ce",
    "es": r"cómo|qué|dónde|cuándo|quién|cuál\w*|cuánt\w*|por qué|puedo|se puede|hay",
    "pt": r"como|o que|que|onde|quando|quem|qual|quais|quant\w*|por que|posso|existe|há",
    "it": r"come|cosa|che|dove|quando|chi|quale|quali|quant\w*|perché|posso|c'è",
    "nl": r"hoe|wat|waar|wanneer|wie|welke?|waarom|hoeveel|kan|is er|mag",
}
_QUESTION = {
    language: re.compile(rf"^(?:.*[.!?:]\s+)?¿?(?:{words})\b", re.IGNORECASE) for language, words in _ASKS.items()
}
_STATED = re.compile(
    r"^(?P<ask>how(?: (?:long|often|much|many))?|where|why) (?P<subject>(?!(?:to|it|this|they|the best)\b)\w[\w'’-]*"
    r"(?: [\w'’-]+){0,4}?) (?P<verb>is|are|can|will) (?P<rest>[^?]+)$",
    re.IGNORECASE,
)
"""A question that stands as a clause: "How usage is calculated"."""
_WORKS = re.compile(r"^how (?P<subject>(?!(?:it|this|they)\b)\w[\w'’ -]*?) (?P<verb>works?)$", re.IGNORECASE)
_AND_GERUND = re.compile(r"\b(and|or) (\w+ing)\b")
_LEANS = re.compile(r"^\w+ (?:is|are|does|do|can|will) (?:it|this|they|these)\b", re.IGNORECASE)
"""A question that is not understood without the heading above it."""
_HOW_TO = re.compile(r"^how to\s+", re.IGNORECASE)

_VERBS_TEXT = """
access add allow archive assign authenticate block book build buy cancel change check choose clone close compare
configure connect contact copy create customise customize deactivate delete disable disconnect download edit embed
enable enforce exclude export filter find fix get hide identify import increase install integrate invite join leave
log make manage measure merge migrate move open pause pay prevent protect publish receive reconnect recover reduce
register remove rename renew replace report request reset resolve restore restrict resume revoke rotate run save
schedule segment send set share sign split start stop switch sync tag test track transfer troubleshoot turn unblock
uninstall update upgrade downgrade upload use verify view withdraw write
"""
_VERBS = frozenset(_VERBS_TEXT.split())
_ALSO_NOUNS_TEXT = """
access archive block book build change check clone contact copy design display embed export filter fix import
increase log measure move open pause pay report request reset run save schedule segment set share sign split start
stop switch sync tag test track transfer turn update upgrade downgrade upload use view
"""
_ALSO_NOUNS = frozenset(_ALSO_NOUNS_TEXT.split())
"""Verbs that may as well be the first noun of a name: "Request structure"."""
_AFTER_A_VERB_TEXT = """
a an the your my our this that these those all any each every multiple several some one two another more new
different it its up down in out on off to from by with into for
"""
_AFTER_A_VERB = frozenset(_AFTER_A_VERB_TEXT.split())
_FEWEST_WORDS = 2
_FEWEST_CLEAR = 4


def as_question(heading: str, language: str) -> str | None:
    """`heading`, without its marks, as a question in `language`; None where none comes of it naturally.

    A heading in another language than `language` gives none.
    """
    asks = _QUESTION.get(language)
    if _LEANS.match(heading):
        return None
    if heading.endswith("?"):
        return _capital(heading) if asks is not None and asks.match(heading) else None
    if language != "en":
        return None
    if stated := _STATED.match(heading):
        return _turned(stated)
    if works := _WORKS.match(heading):
        does = "do" if works["verb"].lower() == "work" else "does"
        return f"How {does} {works['subject']} work?"
    if asks is not None and asks.match(heading):
        return _capital(f"{heading}?")
    return _how_do_i(heading)


def _turned(stated: re.Match[str]) -> str:
    return _capital(_to_the_user(f"{stated['ask']} {stated['verb']} {stated['subject']} {stated['rest']}?"))


def _how_do_i(heading: str) -> str | None:
    """ "Change your plan", "Changing your plan" and "How to change your plan" as "How do I change my plan?"."""
    bare = _HOW_TO.sub("", heading)
    if bare != heading:
        return f"How do I {_to_the_user(_lower_first(bare))}?"
    first, *others = heading.split()
    word = first.rstrip(",").lower()
    verb = word if word in _VERBS else _of_gerund(word)
    if verb is None or not others or not _is_verb_phrase(verb, first, [other.lower().rstrip(",") for other in others]):
        return None
    comma = "," if first.endswith(",") else ""
    rest = " ".join(others)
    if verb != word:
        rest = _AND_GERUND.sub(lambda match: f"{match[1]} {_of_gerund(match[2].lower()) or match[2]}", rest)
    return f"How do I {verb}{comma} {_to_the_user(rest)}?"


def _is_verb_phrase(verb: str, first: str, others: list[str]) -> bool:
    if "-" in first or len(others) + 1 < _FEWEST_WORDS:
        return False
    if others[0] in ("and", "or", "vs", "of", "once", "again"):
        return False
    if verb not in _ALSO_NOUNS or others[0] in _AFTER_A_VERB:
        return True
    if first.endswith(","):
        return others[0] in _VERBS
    return len(others) + 1 >= _FEWEST_CLEAR and any(other in _AFTER_A_VERB for other in others)


def _of_gerund(word: str) -> str | None:
    """The verb of "changing", "setting" or "adding", where it is a known one."""
    if not word.endswith("ing"):
        return None
    stem = word.removesuffix("ing")
    undoubled = stem[:-1] if stem[-1:] == stem[-2:-1] else stem
    return next((verb for verb in (stem, f"{stem}e", undoubled) if verb in _VERBS), None)


def _to_the_user(text: str) -> str:
    """`text` as the user would say it: "your" becomes "my"."""
    for theirs, own in ((r"\byourself\b", "myself"), (r"\byour\b", "my"), (r"\byou\b", "I")):
        text = re.sub(theirs, own, text, flags=re.IGNORECASE)
    return text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower_first(text: str) -> str:
    """`text` with a small first letter, but for a name: an acronym, or a word with a capital inside."""
    first = text.split(maxsplit=1)[0]
    return text if not first[1:].islower() and len(first) > 1 else text[:1].lower() + text[1:]
