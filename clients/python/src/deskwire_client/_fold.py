"""Makes one coherent sequence of events from streams that were cut and resumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskwire.v1 import event_pb2

from deskwire_client import _convert
from deskwire_client.events import Cancelled, Citations, Completed, Event, Failed, Started, TextDelta
from deskwire_client.models import Citation, MessageState


class MissingTextError(Exception):
    """A delta begins beyond the text that arrived: the stream has to be resumed."""


@dataclass
class _Answer:
    """Text of a running answer as it was handed on."""

    message_id: str
    attempt: int
    text: str = ""
    citations: tuple[Citation, ...] | None = None


class Folder:
    """Takes the contract's events as they arrive and hands on each exactly once.

    Durable events are told apart by their sequence, text by attempt and offset. Where the end of an answer is missing
    when it completes, it is handed on as a delta first, so that the deltas of the last attempt always make up the text.
    """

    def __init__(self, cursor: int | None = None) -> None:
        self.cursor = cursor
        """Sequence of the last durable event that was handed on."""
        self.conversation_id = ""
        self._newest = cursor
        self._answers: dict[str, _Answer] = {}

    @property
    def resume_after(self) -> int | None:
        """Where to resume: the cursor, or the newest sequence when the first stream connected."""
        return self.cursor if self.cursor is not None else self._newest

    def move(self, cursor: int) -> None:
        """Go on from another place than the last one: events in between, or the server's memory of them, are gone."""
        self.cursor = cursor
        self._answers.clear()

    def fold(self, raw: event_pb2.ConversationEvent) -> list[Event]:
        """The events to hand on for one that arrived. Raises MissingTextError."""
        if raw.sequence and self.cursor is not None and raw.sequence <= self.cursor:
            return []
        self.conversation_id = raw.conversation_id or self.conversation_id
        if self._newest is None and raw.HasField("connection_status"):
            self._newest = raw.connection_status.conversation.last_sequence
        event = _convert.event(raw)
        handed_on = self._hand_on(event) if event else []
        if raw.sequence:
            self.cursor = raw.sequence
        return handed_on

    def _hand_on(self, event: Event) -> list[Event]:
        if isinstance(event, Started):
            return self._start(event)
        if isinstance(event, TextDelta):
            return self._text(event)
        if isinstance(event, Citations):
            return self._sources(event)
        if isinstance(event, Completed):
            return [*self._rest(event), event]
        if isinstance(event, Failed | Cancelled):
            self._answers.pop(event.turn_id, None)
        return [event]

    def _start(self, event: Started) -> list[Event]:
        known = self._answers.get(event.turn_id)
        if known and event.attempt <= known.attempt:
            return []
        self._answers[event.turn_id] = _Answer(event.message_id, event.attempt)
        return [event]

    def _text(self, event: TextDelta) -> list[Event]:
        answer = self._answers.get(event.turn_id)
        before: list[Event] = []
        if answer and event.attempt < answer.attempt:
            return []
        if answer is None or event.attempt > answer.attempt:
            # The stream began in the middle of this attempt: nobody was told of it yet.
            answer = self._answers[event.turn_id] = _Answer(event.message_id, event.attempt)
            before = [_started(answer, event)]
        if event.offset > len(answer.text):
            raise MissingTextError
        fresh = event.text[len(answer.text) - event.offset :]
        if not fresh:
            return before
        handed_on = _delta(answer, event, fresh)
        answer.text += fresh
        return [*before, handed_on]

    def _sources(self, event: Citations) -> list[Event]:
        answer = self._answers.get(event.turn_id)
        if answer is not None:
            if answer.citations == event.citations:
                return []
            answer.citations = event.citations
        return [event]

    def _rest(self, event: Completed) -> list[Event]:
        answer = self._answers.pop(event.turn_id, None)
        text = event.message.text
        if answer is None or event.message.state is not MessageState.COMPLETE or not text.startswith(answer.text):
            return []
        missing = text[len(answer.text) :]
        return [_delta(answer, event, missing)] if missing else []


def _started(answer: _Answer, at: Event) -> Event:
    """The notice of an attempt that was not announced, made of the event that revealed it."""
    return _made(at, turn_started=event_pb2.TurnStarted(message_id=answer.message_id, attempt=answer.attempt))


def _delta(answer: _Answer, at: Event, text: str) -> Event:
    """Text that follows what was handed on."""
    delta = event_pb2.TextDelta(
        message_id=answer.message_id, attempt=answer.attempt, offset=len(answer.text), text=text
    )
    return _made(at, text_delta=delta)


def _made(at: Event, **what: Any) -> Event:
    raw = event_pb2.ConversationEvent(conversation_id=at.conversation_id, turn_id=at.turn_id, **what)
    if at.raw.HasField("create_time"):
        raw.create_time.CopyFrom(at.raw.create_time)
    made = _convert.event(raw)
    assert made is not None
    return made
