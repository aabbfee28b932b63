"""The hot path in Postgres: one SQL function a step, each a transaction of its own."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from deskwire_server.conversations.models import Conversation, conversation_from_row
from deskwire_server.db.engine import Database
from deskwire_server.llm.port import AnswerContext
from deskwire_server.turns.models import Answer, AnswerOptions, Claim, DurableEvent, SendMessage, Target

_ACCEPT = "SELECT * FROM turn_accept($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17)"
_TITLE_LENGTH = 80


class TurnStore:
    """Statements of a turn's life. Every method raises `DatabaseUnavailable` while Postgres is away."""

    def __init__(self, database: Database, worker_id: UUID) -> None:
        self._database = database
        self._worker_id = worker_id

    async def accept(
        self,
        tenant_id: UUID,
        user_id: str,
        sees_all: bool,
        command: SendMessage,
        *,
        request_id: str,
        request_hash: bytes,
        turn_id: UUID,
        question_id: UUID,
        answer_id: UUID,
    ) -> asyncpg.Record:
        """Commit a message and its turn. The row's `outcome` says what became of it."""
        target: Target = command.target
        row = await self._database.fetchrow(
            _ACCEPT,
            tenant_id,
            user_id,
            sees_all,
            target.conversation_id,
            target.session_id,
            asdict(target.new),
            turn_id,
            question_id,
            answer_id,
            request_id,
            request_hash,
            command.text,
            _title(command.text),
            asdict(command.options),
            asdict(command.context),
            command.while_answering.value,
            self._worker_id,
        )
        assert row is not None
        return row

    async def claim(
        self, tenant_id: UUID, turn_id: UUID, attempt: int, history: int
    ) -> tuple[Claim, DurableEvent] | None:
        """Begin the attempt after `attempt`; None when this worker may not. `history` is in messages."""
        row = await self._database.fetchrow(
            "SELECT * FROM turn_claim($1,$2,$3,$4,$5)", tenant_id, turn_id, self._worker_id, attempt, history
        )
        if row is None:
            return None
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
            AnswerContext(**row["context"]),
            tuple((item["role"], item["text"]) for item in row["history"]),
            row["cancel_reason"],
            row["accepted_at"],
        )
        payload = {"message_id": str(claim.answer_id), "attempt": claim.attempt}
        return claim, DurableEvent(row["sequence"], turn_id, "turn_started", payload, row["claimed_at"])

    async def checkpoint(self, claim: Claim, text: str) -> str:
        """Keep the text so far. Returns `go`, `fenced`, or why the turn shall stop."""
        row = await self._database.fetchrow(
            "SELECT turn_checkpoint($1,$2,$3,$4,$5) AS verdict",
            claim.tenant_id,
            claim.turn_id,
            self._worker_id,
            claim.attempt,
            text,
        )
        assert row is not None
        return str(row["verdict"])

    async def finish(self, claim: Claim, answer: Answer) -> tuple[DurableEvent, tuple[UUID, int] | None] | None:
        """End the turn. None when another attempt or worker holds it; else its event and the turn to begin next."""
        payload, message_state = _ending(answer)
        row = await self._database.fetchrow(
            "SELECT * FROM turn_finish($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)",
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

    async def open_watch(
        self, tenant_id: UUID, user_id: str, sees_all: bool, conversation_id: UUID
    ) -> tuple[Conversation, asyncpg.Record] | None:
        """The conversation and its running turn (turn_id, answer_id, attempt, checkpoint; null when none)."""
        row = await self._database.fetchrow(
            "SELECT (w.conversation).*, w.turn_id, w.answer_id, w.attempt, w.checkpoint, w.active_turn_id "
            "FROM watch_open($1,$2,$3,$4) w",
            tenant_id,
            user_id,
            sees_all,
            conversation_id,
        )
        return None if row is None else (conversation_from_row(row), row)

    async def events_after(
        self, tenant_id: UUID, conversation_id: UUID, after: int, limit: int = 200
    ) -> list[DurableEvent]:
        """Durable events behind a cursor, oldest first."""
        rows = await self._database.fetch(
            "SELECT * FROM events_after($1,$2,$3,$4)", tenant_id, conversation_id, after, limit
        )
        return [DurableEvent(r["sequence"], r["turn_id"], r["kind"], r["payload"], r["created_at"]) for r in rows]


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
