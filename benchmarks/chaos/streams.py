"""What one stream gave to its reader, checked as it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.chaos.database import TERMINAL, Stored
from benchmarks.chaos.findings import Findings
from benchmarks.chaos.question import strangers

_WHOLE = frozenset({"watch", "raw"})
"""Streams that get every durable event of their conversation, not those of one turn."""


_BARE = frozenset({"raw", "bare"})
"""Streams without the client, which sees to text that comes again."""
_WITH_MESSAGE = TERMINAL | {"message_accepted"}


class Watched:
    """Replays one stream of a journal.

    A stream of the Python client goes on over its calls: each event once, text without a gap. One of the bare contract
    begins text anew with each call, and text that it has may come again.
    """

    def __init__(self, of: str, conversation: str, number: int, stored: Stored, findings: Findings) -> None:
        self._of = of
        self._conversation = conversation
        self._name = f"stream {number} ({of}) of conversation {conversation}"
        self._stored = stored
        self._findings = findings
        self._sequence = 0
        self._texts: dict[str, tuple[int, str]] = {}
        """By turn: the attempt and its text so far."""
        self._ended: set[str] = set()

    def state(self, state: str) -> None:
        """Its connection changed."""
        if state == "reconnecting":
            self._findings.counts["reconnects"] += 1
        if self._of in _BARE and state == "connecting":
            self._texts.clear()

    def over(self, outcome: str) -> None:
        """Its reader expects no more."""
        if outcome == "never complete":
            self._findings.lost.append(f"{self._name} never got all of its events, {self._sequence} was the last")
        elif outcome != "complete":
            self._findings.counts["streams given up"] += 1
            self._findings.counts[f"given up: {outcome[:100]}"] += 1

    def event(self, line: Mapping[str, Any]) -> None:
        """An event arrived."""
        if line["c"] != self._conversation:
            self._findings.mixed.append(f"{self._name} got an event of conversation {line['c']}")
        if "q" in line:
            self._durable(line)
        elif line["e"] == "text_delta":
            self._delta(line)
        elif line["e"] == "turn_started":
            # Made by the client, of text that told it first.
            self._begin(line["u"], line["a"])

    def _durable(self, line: Mapping[str, Any]) -> None:
        sequence, kind, turn = line["q"], line["e"], line["u"]
        where = f"{self._name}, event {sequence}"
        if sequence <= self._sequence:
            self._findings.duplicated.append(f"{where}: came after {self._sequence}")
        elif self._of in _WHOLE and not self._may_follow(sequence):
            self._findings.lost.append(f"{where}: came after {self._sequence}")
        self._sequence = max(sequence, self._sequence)
        known = self._stored.events.get(self._conversation, {}).get(sequence)
        if known is None:
            self._findings.lost.append(f"{where}: {kind} is not stored")
            return
        if (known.kind, known.turn) != (kind, turn):
            self._findings.mixed.append(f"{where}: {kind} of turn {turn}, stored is {known.kind} of turn {known.turn}")
        elif kind == "turn_started":
            if line["a"] != known.attempt:
                self._findings.mixed.append(f"{where}: attempt {line['a']}, stored is {known.attempt}")
            self._begin(turn, line["a"])
        elif kind in _WITH_MESSAGE and (line["x"] != known.text or line["m"] != known.message):
            self._findings.mixed.append(f"{where}: another message than the one that is stored")
        if kind in TERMINAL:
            self._end(line, where)

    def _may_follow(self, sequence: int) -> bool:
        """Next to the one before; the client keeps the start of an attempt to itself that text has told already."""
        between = range(self._sequence + 1, sequence)
        stored = self._stored.events.get(self._conversation, {})
        return not between or (
            self._of == "watch" and all(n in stored and stored[n].kind == "turn_started" for n in between)
        )

    def _begin(self, turn: str, attempt: int) -> None:
        if attempt > self._texts.get(turn, (0, ""))[0]:
            self._texts[turn] = (attempt, "")

    def _end(self, line: Mapping[str, Any], where: str) -> None:
        attempt, text = self._texts.pop(line["u"], (0, ""))
        self._ended.add(line["u"])
        if line["e"] != "message_completed" or not attempt:
            return
        whole = line["x"]
        # The bare contract may leave the end of the text to the completed message.
        if text != whole and (self._of not in _BARE or not whole.startswith(text)):
            self._findings.mixed.append(f"{where}: the deltas of attempt {attempt} are not the answer")

    def _delta(self, line: Mapping[str, Any]) -> None:
        turn, attempt, offset, text = line["u"], line["a"], line["o"], line["x"]
        where = f"{self._name}, a delta at {offset} of attempt {attempt} of turn {turn}"
        self._findings.counts["deltas"] += 1
        owner = self._stored.turns.get(turn)
        if owner is None or owner.conversation != self._conversation:
            self._findings.mixed.append(f"{where}: of a turn that does not belong here")
        elif strange := strangers(text, [owner.nonce]):
            self._findings.mixed.append(f"{where}: has text of {', '.join(sorted(strange))}")
        if turn in self._ended:
            self._findings.mixed.append(f"{where}: came behind the turn's end")
            return
        known, so_far = self._texts.get(turn, (0, ""))
        if attempt < known:
            self._findings.mixed.append(f"{where}: came after attempt {known}")
            return
        if attempt > known:
            so_far = ""
        if self._of in _BARE:
            overlap = so_far[offset : offset + len(text)]
            fits = offset <= len(so_far) and text.startswith(overlap)
        else:
            fits = offset == len(so_far)
        if not fits:
            self._findings.mixed.append(f"{where}: does not continue the {len(so_far)} characters before it")
        self._texts[turn] = (attempt, so_far[:offset] + text + so_far[offset + len(text) :])
