"""The hot path in Postgres: one SQL function a step, each a transaction of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from deskwire_server.conversations.models import Conversation, conversation_from_row
from deskwire_server.db.engine import Database
from deskwire_server.llm.port import AnswerContext
from deskwire_server.turns import statements
from deskwire_server.turns.models import (
    Answer,
    AnswerOptions,
    Begun,
    Claim,
    DurableEvent,
    Json,
    NewConversation,
    Regenerate,
    SendMessage,
    Target,
    fields_of,
)

_BEGUN = (
    "attempt", "conversation_id", "question_id", "answer_id", "question", "options", "context", "history", "accepted_at"
)  # fmt: skip
_NEW: dict[str, Any] = fields_of(NewConversation())
_TITLE_LENGTH = 80
_READER = "reader"
"""Key of the reader in a turn's context; callers have no say in it."""


class TurnStore:
    """Statements of a turn's life. Every method raises `DatabaseUnavailable` while Postgres is away."""

    def __init__(self, database: Database, worker_id: UUID) -> None:
        self._database = database
        self._worker_id = worker_id
        database.rehearse(statements.rehearse)

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
    ) -> asyncpg.Record:
        """Commit a message, or that an answer is made anew. The row's `outcome` says what became of it.

        With `history`, in messages, the turn is claimed at once where it need not wait: see `begun`.

        `reader` says as whom the asker reads articles; it is kept for the worker that answers.
        """
        if isinstance(command, SendMessage):
            target, text, replaces, regenerates = command.target, command.text, command.replaces, None
        else:
            target, text, replaces, regenerates = Target(command.conversation_id), "", None, command.message_id
        row = await self._database.fetchrow(
            statements.ACCEPT if history is None else statements.BEGIN,
            tenant_id,
            user_id,
            sees_all,
            target.conversation_id,
            target.session_id,
            fields_of(target.new) if target.conversation_id is None else _NEW,
            turn_id,
            question_id,
            answer_id,
            request_id,
            request_hash,
            text,
            _title(text),
            fields_of(command.options),
            {**fields_of(command.context), _READER: reader},
            command.while_answering.value,
            self._worker_id,
            replaces,
            regenerates,
            command.after,
            *(() if history is None else (history,)),
        )
        assert row is not None
        return row

    def begun(self, tenant_id: UUID, row: Any) -> Begun | None:
        """The first attempt of a turn that was claimed as it was accepted; None when it waits."""
        if row.get("begun_sequence") is None:
            return None
        values = {name: row[name] for name in _BEGUN}
        values["user_id"] = row["asker"]
        values["sequence"] = row["begun_sequence"]
        values["claimed_at"] = row["accepted_at"]
        values["cancel_reason"] = None
        return Begun(*_claimed(tenant_id, row["turn_id"], values), conversation_from_row(row))

    async def claim(
        self, tenant_id: UUID, turn_id: UUID, attempt: int, history: int
    ) -> tuple[Claim, DurableEvent] | None:
        """Begin the attempt after `attempt`; None when this worker may not. `history` is in messages."""
        row = await self._database.fetchrow(
            "SELECT * FROM turn_claim($1,$2,$3,$4,$5)", tenant_id, turn_id, self._worker_id, attempt, history
        )
        return None if row is None else _claimed(tenant_id, turn_id, row)

    async def checkpoint(self, claim: Claim, text: str) -> str:
        """Keep the text so far. Returns `go`, `fenced`, or why the turn shall stop."""
        row = await self._database.fetchrow(
            statements.CHECKPOINT, claim.tenant_id, claim.turn_id, self._worker_id, claim.attempt, text
        )
        assert row is not None
        return str(row["verdict"])

    async def finish(self, claim: Claim, answer: Answer) -> tuple[DurableEvent, tuple[UUID, int] | None] | None:
        """End the turn. None when another attempt or worker holds it; else its event and the turn to begin next."""
        payload, message_state = _ending(answer)
        row = await self._database.fetchrow(
            statements.FINISH,
            claim.tenant_id,
            claim.turn_id,
            self._worker_id,
            claim.attempt,
            answer.state,
            answer.text,
            message_state,
            answer.details,
            payload,
            answer.reason or None,
            list(answer.usage),
        )
        if row is None:
            return None
        kind = {"completed": "message_completed", "failed": "turn_failed"}.get(answer.state, "turn_cancelled")
        if message_state is not None:
            key = "message" if message_state == "complete" else "partial"
            payload[key] = _message(claim, answer, message_state, row["sequence"], row["finished_at"])
        event = DurableEvent(row["sequence"], claim.turn_id, kind, payload, row["finished_at"])
        follower = (row["next_turn"], row["next_attempt"]) if row["next_turn"] is not None else None
        return event, follower

    async def cancel(
        self, tenant_id: UUID, user_id: str, sees_all: bool, conversation_id: UUID, turn_id: UUID | None, reason: str
    ) -> tuple[str, UUID | None]:
        """Ask a turn to stop. Returns the outcome (missing, none, ended, stopping, cancelled) and the turn."""
        row = await self._database.fetchrow(
            "SELECT * FROM turn_cancel($1,$2,$3,$4,$5,$6)",
            tenant_id,
            user_id,
            sees_all,
            conversation_id,
            turn_id,
            reason,
        )
        assert row is not None
        return row["outcome"], row["turn_id"]

    async def change_owner(
        self, tenant_id: UUID, conversation_id: UUID, expected_token: int, agent_id: str | None
    ) -> asyncpg.Record:
        """Give a conversation to an agent (None: to the assistant) if its token is still the expected one.

        The row holds `outcome` (missing, changed, done), the `token` after it, and the turn that it `stopped`.
        """
        row = await self._database.fetchrow(
            "SELECT * FROM owner_change($1,$2,$3,$4,$5)",
            tenant_id,
            conversation_id,
            expected_token,
            "bot" if agent_id is None else "agent",
            agent_id,
        )
        assert row is not None
        return row

    async def say_as_owner(
        self,
        tenant_id: UUID,
        agent_id: str,
        conversation_id: UUID,
        token: int,
        text: str,
        *,
        request_id: str,
        request_hash: bytes,
        turn_id: UUID,
        message_id: UUID,
    ) -> asyncpg.Record:
        """Commit what the owning agent says. `outcome` is said, joined, reused, missing, closed or changed."""
        row = await self._database.fetchrow(
            "SELECT * FROM owner_say($1,$2,$3,$4,$5,$6,$7,$8,$9)",
            tenant_id,
            agent_id,
            conversation_id,
            token,
            turn_id,
            message_id,
            request_id,
            request_hash,
            text,
        )
        assert row is not None
        return row

    async def open_watch(
        self, tenant_id: UUID, user_id: str, sees_all: bool, conversation_id: UUID
    ) -> tuple[Conversation, asyncpg.Record] | None:
        """The conversation and its running turn (turn_id, answer_id, attempt, checkpoint; null when none)."""
        row = await self._database.fetchrow(statements.WATCH, tenant_id, user_id, sees_all, conversation_id)
        return None if row is None else (conversation_from_row(row), row)

    async def events_after(
        self, tenant_id: UUID, conversation_id: UUID, after: int, limit: int = 200
    ) -> list[DurableEvent]:
        """Durable events behind a cursor, oldest first."""
        rows = await self._database.fetch(statements.EVENTS, tenant_id, conversation_id, after, limit)
        return [DurableEvent(r["sequence"], r["turn_id"], r["kind"], r["payload"], r["created_at"]) for r in rows]


def _claimed(tenant_id: UUID, turn_id: UUID, row: Any) -> tuple[Claim, DurableEvent]:
    """What `turn_claim` gives, and the event that it wrote."""
    context = dict(row["context"])
    reader = context.pop(_READER, None)
    claim = Claim(
        tenant_id,
        turn_id,
        row["attempt"],
        row["conversation_id"],
        row["user_id"],
        row["question_id"],
        row["answer_id"],
        row["question"],
        AnswerOptions(**row["options"]),
        AnswerContext(**context),
        tuple((item["role"], item["text"]) for item in row["history"] if item["role"] != "summary"),
        row["cancel_reason"],
        row["accepted_at"],
        reader,
        next((item["text"] for item in row["history"] if item["role"] == "summary"), ""),
    )
    payload = {"message_id": str(claim.answer_id), "attempt": claim.attempt}
    return claim, DurableEvent(row["sequence"], turn_id, "turn_started", payload, row["claimed_at"])


def _title(text: str) -> str:
    """First line of a question, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= _TITLE_LENGTH:
        return line
    return line[:_TITLE_LENGTH].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


def _ending(answer: Answer) -> tuple[dict[str, Any], str | None]:
    if answer.state == "completed":
        return {}, "complete"
    partial = answer.text != ""
    if answer.state == "failed":
        payload = {"reason": answer.reason, "message": answer.message, "retryable": answer.retryable}
        return payload, "failed" if partial else None
    return {"reason": answer.reason}, "cancelled" if partial else None


def _message(claim: Claim, answer: Answer, state: str, sequence: int, at: datetime) -> dict[str, Any]:
    return {
        "id": str(claim.answer_id),
        "conversation_id": str(claim.conversation_id),
        "turn_id": str(claim.turn_id),
        "parent_id": str(claim.question_id),
        "role": "assistant",
        "text": answer.text,
        "state": state,
        "sequence": sequence,
        "request_id": "",
        "details": answer.details,
        "created_at": at,
    }
