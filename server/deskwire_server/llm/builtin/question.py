"""Reads a question: its words, what kind of answer it asks for, and what it leans on from the history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from deskwire_server.llm.builtin.stopwords import FREQUENT_WORDS
from deskwire_server.llm.builtin.terms import content_terms, is_stop_word, words
from deskwire_server.llm.port import ChatMessage

_LONGEST_READ = 4_000
_FEW_WORDS = 4
_FOLLOW_UP_WORDS = 12


class Asks(StrEnum):
    """A kind of answer that a question may ask for."""

    STEPS = "steps"
    PLACE = "place"
    AMOUNT = "amount"
    TIME = "time"
    YES_NO = "yes_no"
    REASON = "reason"
    CODE = "code"
    MEANING = "meaning"


_CUES: dict[Asks, re.Pattern[str]] = {
    Asks.STEPS: re.compile(
        r"\bhow (?:do|can|could|should|would|to|does one|might)\b|\bsteps?\b|\bset ?up\b|\bway to\b|"
        r"\bworkaround\b|\bfix\b|"
        r"\bwhat (?:do|should|must|can) (?:i|we)\b|\bwhat now\b|\bwie (?:kann|kannst|mache?|geht|bekomme?|"
        r"richte|lege|stelle?|"
        r"ändere?|\w+e ich|\w+en wir)\b|\bcomment\b|\bcómo\b|\bcomo (?:posso|faço|fazer|puedo)\b|\bcome "
        r"(?:posso|faccio|si)\b|"
        r"\bhoe (?:kan|moet|doe|wijzig|\w+ ik)\b",
        re.IGNORECASE,
    ),
    Asks.PLACE: re.compile(
        r"\bwhere\b|\bwhich (?:page|box|button|field|file|menu|screen|section|tab|settings?)\b|\bwo\b|\bwohin\b|\boù\b|"
        r"\bd[óo]nde\b|\bonde\b|\bdove\b|\bwaar\b",
        re.IGNORECASE,
    ),
    Asks.AMOUNT: re.compile(
        r"\bhow (?:much|many|big|large|small|far)\b|\b(?:price|prices|pricing|costs?|fee|fees|limit|limits|"
        r"maximum|max|minimum|"
        r"quota|allowance|discount|price cut|cheaper|rate)\b|\bwie ?viele?\b|\bkoste[tn]?\b|\bpreise?\b|"
        r"\bcombien\b|\bprix\b|"
        r"\bcu[áa]nt[oa]s?\b|\bprecio\b|\bquant[oaie]s?\b|\bpreço\b|\bprezzo\b|\bhoeveel\b|\bprijs\b",
        re.IGNORECASE,
    ),
    Asks.TIME: re.compile(
        r"\bwhen\b|\bhow (?:long|often|soon|fast|quickly|late|early)\b|\bwhich day\b|\bwhat time\b|\bdays?\b|\bwann\b|"
        r"\bwie (?:lange|oft)\b|\bquand\b|\bcombien de temps\b|\bcuándo\b|\bquando\b|\bwanneer\b|\bhoe (?:lang|vaak)\b",
        re.IGNORECASE,
    ),
    Asks.YES_NO: re.compile(
        r"(?:^|[.!?,;]\s+)(?:and |but |so |also )?(?:can|could|do|does|did|is|are|was|will|would|may|must|"
        r"should|have|has|am)\s+"
        r"(?:i|we|you|he|she|it|they|the|this|that|there|my|our|your|a|an|any\w*|every\w*|some\w*|one|it's|\w+s|\w+)\b"
        r"[^.!]*\?|\bis there\b|\bpossible\b|^(?:kann|können|ist|sind|gibt|muss|darf|habt|haben)\b|^(?:puis-je|"
        r"peut-on|est-ce|"
        r"avez-vous)\b|^¿?(?:puedo|se puede|hay|es|tienen)\b|^(?:posso|é|existe|há|c'è|è)\b|^(?:kan|is|zijn|mag|heb)\b",
        re.IGNORECASE,
    ),
    Asks.REASON: re.compile(
        r"\bwhy\b|\bhow come\b|\breason\b|\bwhat(?:'s| is) (?:going on|wrong|missing)\b|\bwarum\b|\bwieso\b|"
        r"\bpourquoi\b|"
        r"\bpor qué\b|\bpor ?quê?\b|\bperché\b|\bwaarom\b|\bcan't be right\b",
        re.IGNORECASE,
    ),
    Asks.CODE: re.compile(
        r"(?<!discount )(?<!promo )(?<!coupon )(?<!voucher )(?<!qr )(?<!verification )(?<!security )(?<!recovery )"
        r"(?<!backup )(?<!country )(?<!error )(?<!status )(?<!login )(?<!access )\bcode\b|"
        r"\b(?:api|http|post|get|curl) requests?\b|"
        r"\b(?:snippet|example|sample|config(?:uration)?|script|command|curl|json|yaml|regex|syntax|query|"
        r"header|endpoint|payload|beispiel|exemple|ejemplo|exemplo|esempio|voorbeeld)\b",
        re.IGNORECASE,
    ),
    Asks.MEANING: re.compile(
        r"\bwhat(?:'s| is| are| does| do)\b|\bmeans?\b|\bdifference\b|\bwas (?:ist|sind|bedeutet)\b|\bqu'est-ce\b|"
        r"\bqué (?:es|son|significa)\b|\bo que\b|\bche cos\w*\b|\bwat (?:is|zijn|betekent)\b",
        re.IGNORECASE,
    ),
}
_POINTS_BACK = re.compile(
    r"\b(?:it|its|that|this|those|these|they|them|there|one|ones|same|else|also|too|instead|then|after that|und|"
    r"auch|dafür|"
    r"damit|das|dort|aussi|ça|cela|eso|también|isso|também|questo|anche|dat|ook)\b|^(?:and|but|what about|how "
    r"about|or|so)\b",
    re.IGNORECASE,
)


_WHETHER = re.compile(
    r"\W*(?:(?:and|but|so|also|hi|hello|hey)\b\W*)*(?:do|does|did|is|are|can|could|may|will|would|have|has|kann|können|"
    r"könnt|gibt|habt|haben|bietet|ist|sind|puis-je|peut-on|est-ce|avez-vous|y a-t-il|puedo|se puede|hay|tienen|posso|"
    r"existe|há|c'è|avete|kan|kunnen|is er|hebben)\b",
    re.IGNORECASE,
)
_SENTENCE_GAP = re.compile(r"(?<=[.!?:;])\s+")
_NAME = re.compile(r"\b[A-Z][A-Za-z]*[A-Za-z0-9]+\b")
_LONGEST_ACRONYM = 5
"""Longer words in capitals are shouted."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the scoring reads it."""

    text: str
    """The user's message."""
    search_text: str
    """The message, with the question before it where it leans on that; what is embedded."""
    language: str
    asks: frozenset[Asks]
    terms: tuple[str, ...]
    """Stems of its telling words."""
    context_terms: tuple[str, ...]
    """Stems from the history, of less weight; empty where the question stands alone."""
    asks_whether: bool = False
    """Whether it asks for the existence of something ("Do you …", "Can I …"), so that this very thing must be found.
    False where it leans on the history: what it asks about was found before."""


def read_question(messages: Sequence[ChatMessage], language: str) -> Question:
    """The question that the last of `messages` asks."""
    text = messages[-1].content[:_LONGEST_READ].strip() if messages else ""
    earlier = _leans_on(messages, text)
    return Question(
        text=text,
        search_text=" ".join([*earlier, text]),
        language=language,
        asks=frozenset(kind for kind, cue in _CUES.items() if cue.search(text)),
        terms=tuple(dict.fromkeys(content_terms(text, language))),
        context_terms=tuple(dict.fromkeys(content_terms(" ".join(earlier), language))),
        asks_whether=not earlier and _WHETHER.match(text) is not None,
    )


def names_in(text: str, language: str) -> list[str]:
    """Words of `text` that seem to name a product, a company, a place or a standard, lower case.

    Capital letters tell them, which they don't in German or in a text that is all in title case.
    """
    if language == "de":
        return []
    found: list[str] = []
    for sentence in _SENTENCE_GAP.split(text):
        capitalised = [match for match in _NAME.finditer(sentence) if _stands_out(match)]
        if 2 * len(capitalised) <= len(words(sentence)):
            found.extend(word for match in capitalised for word in words(match[0]))
    return list(dict.fromkeys(word for word in found if len(word) > 1 and not is_stop_word(word, language)))


def _stands_out(match: re.Match[str]) -> bool:
    word = match[0]
    if word.isupper():
        return len(word) <= _LONGEST_ACRONYM and word.lower() not in FREQUENT_WORDS
    return match.start() > 0 or not word[1:].islower()


def _leans_on(messages: Sequence[ChatMessage], text: str) -> list[str]:
    """Earlier questions of the user that `text` can't be understood without."""
    count = len(words(text))
    if count > _FOLLOW_UP_WORDS or (count > _FEW_WORDS and not _POINTS_BACK.search(text)):
        return []
    asked = [message.content.strip() for message in messages[:-1] if message.role == "user" and message.content.strip()]
    return [question[:_LONGEST_READ] for question in asked[-1:]]
