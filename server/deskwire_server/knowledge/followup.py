"""Makes a question that leans on what was said before stand by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deskwire_server.knowledge.text import is_stop_word, words

LEANING = 0.65
"""Weight of the question together with its history, when it leans on it and finds little alone."""
UNSURE = 0.35
"""The same when it finds something alone."""
CLEAR_COSINE = 0.45
"""A question whose best passage is nearer than this finds something alone."""

_POINTERS = re.compile(
    r"\b(?:it|its|that|this|those|these|them|they|their|theirs|one|ones|same|ours|mine|else|too|also|instead|either"
    r"|(?<!is )(?<!are )(?<!was )there(?!'s| is| are| was| were)"
    r"|dafür|damit|davon|dazu|darin|das|dies|diese|ça|cela|ceci|celui|celle|eso|esto|ello|questo|quello|isso|isto|dat|dit"
    r")\b", re.I,
)  # fmt: skip
_OPENERS = re.compile(
    r"^\W*(?:and|but|so|or|then|why|what about|how about|und|aber|oder|et|mais|y|e|o|ma|en|och)\b", re.I
)
_FEW, _SHORT = 2, 6
_MAX_TURN_CHARS = 600


@dataclass(frozen=True, slots=True)
class Standing:
    """A question with what it leans on."""

    text: str
    """The last question and its answer, and the question itself."""
    leans: bool
    """Whether the question alone says too little, or points to something before it."""


def stand_alone(question: str, history: Sequence[str]) -> Standing | None:
    """`question` with the last two messages of `history` (oldest first); None without a history."""
    before = [" ".join(message.split())[:_MAX_TURN_CHARS] for message in history[-2:] if message.strip()]
    if not before:
        return None
    meaning = [word for word in words(question) if not is_stop_word(word)]
    points = _POINTERS.search(question) is not None
    leans = len(meaning) <= _FEW or _OPENERS.match(question) is not None or (points and len(meaning) <= _SHORT)
    return Standing(" ".join([*before, question]), leans)
