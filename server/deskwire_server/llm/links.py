"""Lets a streamed answer through without the links and images that lead where nothing it rests on leads."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from deskwire_server.llm.addresses import addresses, comparable, trimmed

_TRIGGER = re.compile(
    r"[`\[\]<!hHfFwW/]"
    r"(?:(?<=[`\[\]<!])|(?<=/)(?=/|\Z)|(?<!\w.)(?:(?<=[hHfF])(?=[tT]|\Z)|(?<=[wW])(?=[wW]|\Z)))"
)
"""Where something may begin that leads elsewhere. One set of letters first: the search skips others at little cost."""
_OPENERS = ("[", "]", "`", "<", "!", "//")
_BEGINNINGS = ("htt", "ftp", "www")
_BEGINS_AT_THE_END = frozenset("hHfFwWtT/")
"""Letters at the end of a piece with which the next one may make something that leads elsewhere."""
_TICKS = re.compile(r"`+")
_FENCE = 3
_TEXT = re.compile(r"!?\[([^\[\]`\n]{0,160})")
_LONGEST_TEXT = 160
_LONGEST_TARGET = 2_048
_START = re.compile(r"(?:https?|ftp):/{1,3}(?=[^\s/])|www\.(?=\w)|//(?=[\w-]+\.\w)", re.IGNORECASE)
_START_SO_FAR = re.compile(
    r"(?:h|ht|htt|https?|https?:/{0,3}|f|ft|ftp|ftp:/{0,3}|w{1,3}|www\.|//?|//[\w-]+\.?)\Z", re.IGNORECASE
)
_ADDRESS = re.compile(r"[^\s<>\"`\[\]|，。、；！？）」』】]+")
_TAG = re.compile(r"<\s*/?\s*([a-zA-Z]*)")
_ELEMENTS = """
a applet area audio base body button embed form frame iframe image img input link math meta object portal script source
style svg track video
"""
_LOADING = frozenset(_ELEMENTS.split())
"""HTML elements that load something or lead somewhere."""
_TAG_END = re.compile(r">|\n[ \t]*\n")
_LINE_END = re.compile(r"\n[ \t]*\Z")
_LONGEST_TAG_NAME = max(map(len, _LOADING))
_SUSPICIOUS = re.compile(r"[/&\\:@]")
_HELD_BACK = "…"
"""Stands for an address that was taken out."""
_LED = ("http://", "https://", "mailto:")


class LinkFilter:
    """Reduces links to their text where their address is not known, images always, and bare addresses to `…`.

    An image is fetched without anybody's doing, so none is let through. HTML that loads or leads is dropped. Code is
    left alone. What may be the start of a link is held back until it is clear: the pieces returned, joined, are the
    same wherever the answer was cut.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """`texts`: what holds the addresses that may be linked. They are looked for with the first link."""
        self._texts = texts
        self._addresses: frozenset[str] | None = None
        self._held = ""
        self._from = 0
        self._code = ""
        self._dropping = ""
        self._line_start = True
        self.removed = 0
        """How many links, images and addresses were taken out."""

    def feed(self, text: str) -> str:
        """Next piece of the answer; returns what of it, and of what was held back, is clear."""
        if self._from == len(self._held) and not self._code and not self._dropping and _leads_nowhere(text):
            # Most pieces.
            self._passed(text)
            self._held, self._from = text[-1], 1
            return text
        self._held += text
        return self._drain(last=False)

    def finish(self) -> str:
        """What is still held back, once the answer has ended."""
        return self._drain(last=True)

    def _drain(self, *, last: bool) -> str:
        out: list[str] = []
        while self._from < len(self._held):
            if self._dropping:
                if not self._drop():
                    break
            elif self._code:
                if not self._code_step(out, last=last):
                    break
            elif not self._step(out, last=last):
                break
        # The character before what is held tells whether a word begins there.
        kept = max(0, self._from - 1)
        self._held, self._from = self._held[kept:], self._from - kept
        return "".join(out)

    def _emit(self, out: list[str], end: int, shown: str | None = None) -> None:
        """Read on to `end`, letting `shown` through for it, by default the text itself."""
        text = self._held[self._from : end] if shown is None else shown
        if text:
            out.append(text)
            self._passed(text)
        self._from = end

    def _passed(self, text: str) -> None:
        """`text` was let through: whether a line begins behind it."""
        before, _, tail = text.rpartition("\n")
        blank = not tail or tail.isspace()
        self._line_start = blank if len(before) + len(tail) < len(text) else self._line_start and blank

    def _drop(self) -> bool:
        """Skip what was begun and is not to be shown: an element up to its end, an address up to white space."""
        if self._dropping == "address":
            self._from = self._address_end(self._from)
            if self._from < len(self._held):
                self._dropping = ""
            return True
        end = _TAG_END.search(self._held, self._from)
        if end is None:
            # A line's end is looked at again: an empty line after it ends the element.
            tail = _LINE_END.search(self._held, self._from)
            self._from = tail.start() if tail else len(self._held)
            return False
        self._from, self._dropping = (end.end() if end[0] == ">" else end.start()), ""
        return True

    def _code_step(self, out: list[str], *, last: bool) -> bool:
        short = len(self._code) < _FENCE
        match = re.compile(r"`+|\n" if short else r"`+").search(self._held, self._from)
        if match is None:
            self._emit(out, len(self._held))
            return True
        if match.end() == len(self._held) and match[0] != "\n" and not last:
            self._emit(out, match.start())
            return False
        if match[0] in (self._code, "\n"):
            self._code = ""
        self._emit(out, match.end())
        return True

    def _step(self, out: list[str], *, last: bool) -> bool:
        """Read on by one piece; False where more of the text must come first."""
        match = _TRIGGER.search(self._held, self._from)
        if match is None:
            self._emit(out, len(self._held))
            return True
        self._emit(out, match.start())
        match self._held[self._from]:
            case "`":
                return self._ticks(out, last=last)
            case "[" | "!":
                return self._bracket(out, last=last)
            case "]":
                return self._after_text(out, self._from + 1, None, last=last)
            case "<":
                return self._tag(out, last=last)
            case _:
                return self._address(out, last=last)

    def _ticks(self, out: list[str], *, last: bool) -> bool:
        run = _TICKS.match(self._held, self._from)
        assert run is not None
        if run.end() == len(self._held) and not last:
            return False
        self._code = run[0]
        self._emit(out, run.end())
        return True

    def _bracket(self, out: list[str], *, last: bool) -> bool:
        start, text = self._from, _TEXT.match(self._held, self._from)
        if text is None:  # a "!" that opens no image
            if start + 1 == len(self._held) and not last:
                return False
            self._emit(out, start + 1)
            return True
        if text.end() == len(self._held) and len(text[1]) < _LONGEST_TEXT and not last:
            return False
        if self._held[text.end() : text.end() + 1] != "]":
            # A "!" alone goes: with a bracket that closes later it would make an image.
            self._emit(out, text.start(1), "[")
            return True
        return self._after_text(out, text.end() + 1, text[1], last=last)

    def _after_text(self, out: list[str], end: int, text: str | None, *, last: bool) -> bool:
        """A bracket closes before `end`. `text` is what it holds, None where that was let through already."""
        if end == len(self._held) and not last:
            return False
        following, image = self._held[end : end + 1], self._held[self._from] == "!"
        if following == ":" and self._line_start_before(text):
            return self._definition(out, end + 1, last=last)
        if following == "(":
            close = self._target_end(end, last=last)
            if close is None:
                return False
            if close > 0:
                if not image and self._leads(self._held[end + 1 : close - 1]):
                    self._emit(out, close)
                    return True
                self.removed += 1
                self._emit(out, close, "]" if text is None else "")
                if text:
                    self._held = self._held[: self._from] + text + self._held[self._from :]
                return True
        self._emit(out, end if text is None else end - 1 - len(text))
        return True

    def _line_start_before(self, text: str | None) -> bool:
        return self._line_start or text is None

    def _target_end(self, start: int, *, last: bool) -> int | None:
        """Just behind the parenthesis that closes the target at `start`; 0 where it is none, None while unclear."""
        depth = 0
        for place in range(start, min(len(self._held), start + _LONGEST_TARGET)):
            character = self._held[place]
            depth += (character == "(") - (character == ")")
            if depth == 0:
                return place + 1
            if self._held.startswith("\n\n", place):
                return 0
        return None if len(self._held) < start + _LONGEST_TARGET and not last else 0

    def _definition(self, out: list[str], start: int, *, last: bool) -> bool:
        """The target of a reference, `[name]: target`."""
        target = re.compile(r"[ \t]*\n?[ \t]*(\S*)").match(self._held, start)
        assert target is not None
        if target.end() == len(self._held) and len(target[1]) < _LONGEST_TARGET and not last:
            return False
        if _SUSPICIOUS.search(target[1]) and not self._leads(target[1]):
            self.removed += 1
            self._emit(out, target.start(1))
            self._emit(out, target.end(1), _HELD_BACK)
        else:
            self._emit(out, target.end(1))
        return True

    def _tag(self, out: list[str], *, last: bool) -> bool:
        tag = _TAG.match(self._held, self._from)
        assert tag is not None
        if tag.end() == len(self._held) and len(tag[1]) <= _LONGEST_TAG_NAME and not last:
            return False
        if tag[1].lower() in _LOADING:
            self.removed += 1
            self._dropping = "tag"
            return True
        self._emit(out, self._from + 1)
        return True

    def _address(self, out: list[str], *, last: bool) -> bool:
        start = self._from
        begun = _START.match(self._held, start)
        if begun is None:
            if _START_SO_FAR.match(self._held, start) and not last:
                return False
            self._emit(out, start + (2 if self._held.startswith("//", start) else 1))
            return True
        end = self._address_end(start)
        if end == len(self._held) and not last:
            if end - start <= _LONGEST_TARGET:
                return False
            self._dropping = "address"
        long = end - start > _LONGEST_TARGET
        address = self._held[start:end] if long else trimmed(self._held[start:end])
        if not long and self._knows(address):
            self._emit(out, start + len(address))
            return True
        self.removed += 1
        self._emit(out, start + len(address), _HELD_BACK)
        return True

    def _address_end(self, start: int) -> int:
        match = _ADDRESS.match(self._held, start)
        return match.end() if match else start

    def _leads(self, target: str) -> bool:
        """Whether a link's `target`, title and all, leads where the answer may lead."""
        parts = target.strip().split(maxsplit=1)
        if not parts:
            return False
        address = html.unescape(parts[0].removeprefix("<").removesuffix(">"))
        return address.lower().startswith(_LED) and self._knows(address)

    def _knows(self, address: str) -> bool:
        if self._addresses is None:
            self._addresses = addresses(self._texts)
        return comparable(address) in self._addresses


def _leads_nowhere(text: str) -> bool:
    """Whether nothing in `text`, or begun at its end, may lead elsewhere. False also where a closer look is needed."""
    if not text or text[-1] in _BEGINS_AT_THE_END:
        return False
    for opener in _OPENERS:
        if opener in text:
            return False
    lower = text.lower()
    return not any(beginning in lower for beginning in _BEGINNINGS)
