"""Turns kept in a dictionary: what `TurnStore` does, without a database and without its promises."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from deskwire_server.conversations.models import Conversation, ConversationStatus
from deskwire_server.db.engine import Database
from deskwire_server.ids import uuid7
from deskwire_server.turns.models import Answer, Begun, Claim, DurableEvent, Json, Regenerate, SendMessage
from deskwire_server.turns.store import TurnStore

_KEPT = 20
"""Messages of history that an answer sees, as by default."""


@dataclass(slots=True)
class _Talk:
    conversation: Conversation
    history: list[tuple[str, str]] = field(default_factory=list)
    events: list[DurableEvent] = field(default_factory=list)

    def append(self, turn_id: UUID, kind: str, payload: dict[str, Any], at: datetime) -> DurableEvent:
        place = self.conversation.last_sequence + 1
        event = DurableEvent(place, turn_id, kind, payload, at)
        self.events.append(event)
        self.conversation = replace(self.conversation, last_sequence=place, updated_at=at)
        return event


class MemoryTurnStore(TurnStore):
    """Serves new questions and their answers, which is all that the benchmark asks for."""

    def __init__(self, database: Database, worker_id: UUID) -> None:
        super().__init__(database, worker_id)
        self._by_session: dict[str, UUID] = {}
        self._talks: dict[UUID, _Talk] = {}

    async def accept(
        self,
        tenant_id: UUID,
        user_id: str,
        sees_all: bool,
        command: SendMessage | Regenerate,
        *,
        request_id: str,
        request_hash: bytes,
        turn_id: UUID,
        question_id: UUID,
        answer_id: UUID,
        reader: Json | None = None,
        history: int | None = None,
    ) -> Any:
        """See `TurnStore`."""
        assert isinstance(command, SendMessage)
        assert history is not None
        now = datetime.now(UTC)
        session = command.target.session_id or ""
        if session not in self._by_session:
            talk_id = self._by_session[session] = uuid7()
            self._talks[talk_id] = _Talk(_conversation(talk_id, session, user_id, now))
        talk_id = self._by_session[session]
        talk = self._talks[talk_id]
        message = _message(
            question_id, talk_id, turn_id, None, "user", command.text, talk.conversation.last_sequence + 1, now
        )
        message["request_id"] = request_id
        event = talk.append(turn_id, "message_accepted", {"message": message, "queue_position": 0}, now)
        claim = Claim(
            tenant_id,
            turn_id,
            1,
            talk_id,
            user_id,
            question_id,
            answer_id,
            command.text,
            command.options,
            command.context,
            tuple(talk.history[-history:]),
            None,
            now,
            reader,
        )
        payload = {"message_id": str(answer_id), "attempt": 1}
        started = talk.append(turn_id, "turn_started", payload, now)
        return {
            "begun": Begun(claim, started, talk.conversation),
            "outcome": "accepted",
            "state": "queued",
            "conversation_id": talk_id,
            "turn_id": turn_id,
            "question_id": question_id,
            "answer_id": answer_id,
            "first_sequence": event.sequence,
            "queue_position": 0,
            "interrupted": [],
            "parent_id": None,
            "accepted_at": now,
        }

    def begun(self, tenant_id: UUID, row: Any) -> Begun | None:
        """See `TurnStore`."""
        begun: Begun = row["begun"]
        return begun

    async def checkpoint(self, claim: Claim, text: str) -> str:
        """See `TurnStore`."""
        return "go"

    async def finish(self, claim: Claim, answer: Answer) -> tuple[DurableEvent, tuple[UUID, int] | None] | None:
        """See `TurnStore`."""
        talk = self._talks[claim.conversation_id]
        now = datetime.now(UTC)
        talk.history += [("user", claim.question), ("assistant", answer.text)]
        del talk.history[:-_KEPT]
        place = talk.conversation.last_sequence + 1
        message = _message(
            claim.answer_id,
            claim.conversation_id,
            claim.turn_id,
            claim.question_id,
            "assistant",
            answer.text,
            place,
            now,
        )
        message["details"] = answer.details
        return talk.append(claim.turn_id, "message_completed", {"message": message}, now), None

    async def open_watch(
        self, tenant_id: UUID, user_id: str, sees_all: bool, conversation_id: UUID
    ) -> tuple[Conversation, Any] | None:
        """See `TurnStore`."""
        talk = self._talks.get(conversation_id)
        return None if talk is None else (talk.conversation, {"turn_id": None})

    async def events_after(
        self, tenant_id: UUID, conversation_id: UUID, after: int, limit: int = 200
    ) -> list[DurableEvent]:
        """See `TurnStore`."""
        return [event for event in self._talks[conversation_id].events if event.sequence > after][:limit]


def _conversation(talk_id: UUID, session: str, user_id: str, now: datetime) -> Conversation:
    """A conversation whose other fields are empty."""
    values: dict[str, Any] = {
        "id": talk_id,
        "session_id": session,
        "user_id": user_id,
        "status": ConversationStatus.ACTIVE,
        "created_at": now,
        "updated_at": now,
    }
    empty: dict[str, Any] = {"str": "", "int": 0, "tuple[str, ...]": (), "dict[str, str]": {}}
    for each in fields(Conversation):
        if each.default is MISSING:
            values.setdefault(each.name, empty.get(str(each.type)))
    return Conversation(**values)


def _message(
    message_id: UUID,
    talk_id: UUID,
    turn_id: UUID,
    parent_id: UUID | None,
    role: str,
    text: str,
    place: int,
    at: datetime,
) -> dict[str, Any]:
    return {
        "id": str(message_id),
        "conversation_id": str(talk_id),
        "turn_id": str(turn_id),
        "parent_id": str(parent_id) if parent_id else None,
        "role": role,
        "text": text,
        "state": "complete",
        "sequence": place,
        "request_id": "",
        "details": None,
        "created_at": at,
    }
