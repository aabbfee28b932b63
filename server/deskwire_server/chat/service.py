"""Asking: commits messages, begins turns, stops them, and follows conversations."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from deskwire_server.auth.caller import Caller
from deskwire_server.chat.cursor import cursor_ahead, cursor_expired
from deskwire_server.chat.tail import Tail, TailLimits
from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from deskwire_server.ids import uuid7
from deskwire_server.knowledge.audience import Reader
from deskwire_server.turns.hub import Hub, Subscription
from deskwire_server.turns.models import (
    TERMINAL_KINDS,
    Accepted,
    DurableEvent,
    DurableKind,
    Json,
    Opening,
    Regenerate,
    SendMessage,
    StreamEvent,
    TypingChanged,
    fields_of,
)
from deskwire_server.turns.runner import TurnRunner
from deskwire_server.turns.store import TurnStore


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and its whole answer, in the shape that messages are stored in."""

    conversation_id: UUID
    question: Json
    answer: Json


class ChatService:
    """What callers do in conversations. Any method may raise `DatabaseUnavailable`."""

    def __init__(
        self,
        *,
        store: TurnStore,
        hub: Hub,
        runner: TurnRunner,
        limits: TailLimits,
        max_message_length: int,
        is_provider: Callable[[str], bool],
        announce: Callable[[UUID, UUID], None],
        wake_all: Callable[[UUID, UUID], None],
        text_elsewhere: Callable[[UUID, int], Awaitable[str]],
    ) -> None:
        self._store = store
        self._hub = hub
        self._runner = runner
        self._limits = limits
        self._max_message_length = max_message_length
        self._is_provider = is_provider
        self._announce = announce
        self._wake_all = wake_all
        self._text_elsewhere = text_elsewhere

    async def send(self, caller: Caller, command: SendMessage) -> Accepted:
        """Commit a message and begin its turn. When this returns, the message can't be lost.

        Raises `NotFound` (conversation, replaced message, cursor too old), `OutOfRange` (cursor ahead),
        `FailedPrecondition` (closed, running, request id reused), `InvalidArgument`. Nothing is kept then.
        """
        if len(command.text) > self._max_message_length:
            raise InvalidArgument.field(
                "message.text", f"must be at most {self._max_message_length} characters", "string.max_len"
            )
        self._check_provider(command.options.provider, "message.options.provider")
        return await self._accept(caller, command, _fingerprint(command))

    async def regenerate(self, caller: Caller, command: Regenerate) -> Accepted:
        """Answer a question once more, beside the answers that it has. Raises as `send` does."""
        self._check_provider(command.options.provider, "options.provider")
        return await self._accept(caller, command, _fingerprint_again(command))

    async def _accept(self, caller: Caller, command: SendMessage | Regenerate, fingerprint: bytes) -> Accepted:
        turn_id = uuid7()
        request_id = command.request_id or str(turn_id)
        epoch = self._runner.epoch
        try:
            row = await self._store.accept(
                caller.tenant_id,
                caller.user_id,
                caller.sees_all,
                command,
                request_id=request_id,
                request_hash=fingerprint,
                turn_id=turn_id,
                question_id=uuid7(),
                answer_id=uuid7(),
                reader=Reader.of(caller).as_json(),
                history=self._runner.history,
            )
        except DatabaseUnavailable:
            self._runner.note_idle(turn_id, 1)
            raise
        outcome = row["outcome"]
        if outcome not in ("accepted", "joined"):
            raise _refusal(row)
        accepted = Accepted(
            row["conversation_id"],
            row["turn_id"],
            row["question_id"],
            row["answer_id"],
            row["first_sequence"],
            outcome == "joined",
            row["state"] not in ("queued", "running"),
        )
        if accepted.joined:
            return accepted
        for stopped in row["interrupted"]:
            self._runner.stop(stopped, "interrupted")
        kind, payload = _first_event(command, row, request_id)
        event = DurableEvent(accepted.first_sequence, turn_id, kind, payload, row["accepted_at"])
        self._hub.publish(accepted.conversation_id, event)
        if accepted.ended:
            # Its end was committed with it, and stands in the database alone.
            self._wake_all(caller.tenant_id, accepted.conversation_id)
            return accepted
        self._announce(caller.tenant_id, accepted.conversation_id)
        begun = self._store.begun(caller.tenant_id, row)
        if begun is not None:
            typing = self._runner.begin(begun.claim, begun.started, epoch)
            live = () if typing is None else (typing,)
            return replace(accepted, opening=Opening(begun.conversation, (event, begun.started), live))
        if not row["queue_position"]:
            self._runner.start(caller.tenant_id, turn_id, 0)
        return accepted

    async def cancel(self, caller: Caller, conversation_id: UUID, turn_id: UUID | None) -> tuple[UUID | None, bool]:
        """Stop a turn, the running one when None. Returns it and whether this call is what stops it."""
        outcome, stopped = await self._store.cancel(
            caller.tenant_id, caller.user_id, caller.sees_all, conversation_id, turn_id, "cancelled"
        )
        if outcome == "missing":
            raise NotFound.of("conversation" if turn_id is None else "turn")
        if outcome == "stopping" and stopped is not None:
            self._runner.stop(stopped, "cancelled")
        # A turn that had not begun ended in the database alone.
        self._wake_all(caller.tenant_id, conversation_id)
        return stopped, outcome in ("stopping", "cancelled")

    def typing(self, conversation_id: UUID, notice: TypingChanged) -> None:
        """Show others that somebody types."""
        self._hub.publish(conversation_id, notice)

    def subscribe(self, conversation_id: UUID) -> _Watch:
        """Begin to receive what happens in a conversation; a context manager that gives a `Subscription`."""
        return _Watch(self._hub, conversation_id)

    def follow(
        self,
        caller: Caller,
        conversation_id: UUID,
        subscription: Subscription,
        *,
        after: int | None,
        until: set[UUID] | None = None,
        latency: float = 0.0,
        opening: Opening | None = None,
        together: int = 1,
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """Events of a conversation after a cursor: past ones, the text so far, then live ones.

        With an `opening` it begins with that instead of `after`, and need not ask the database. What is ready at the
        same time comes at once: pages of past events, of live ones at most `together`.

        Ends when every turn of `until` has ended (None: never), when the worker drains, or when the stream has lived
        its longest.
        Raises `NotFound`, `OutOfRange` for a cursor ahead, `Unavailable` for a reader that is too slow.
        """
        tail = Tail(
            self._store,
            self._hub,
            self._text_elsewhere,
            self._limits,
            caller,
            conversation_id,
            subscription,
            together=together,
        )
        return tail.events(after=after, until=until, latency=latency, opening=opening)

    async def watch(
        self,
        caller: Caller,
        conversation_id: UUID,
        *,
        after: int | None,
        until: set[UUID] | None = None,
        opening: Opening | None = None,
        together: int = 1,
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """`follow` with a subscription of its own."""
        with self._hub.watch(conversation_id) as subscription:
            following = self.follow(
                caller, conversation_id, subscription, after=after, until=until, opening=opening, together=together
            )
            async with aclosing(following):
                async for events in following:
                    yield events

    async def ask(self, caller: Caller, command: SendMessage) -> Answered:
        """Send a message and wait for its whole answer.

        Raises `Unavailable` when the turn failed, `Aborted` when it was cancelled; the message is kept in both cases.
        """
        accepted = await self.send(caller, command)
        watching = self.watch(
            caller,
            accepted.conversation_id,
            after=accepted.first_sequence - 1,
            until={accepted.turn_id},
            opening=accepted.opening,
        )
        question: Json = {}
        async with aclosing(watching):
            async for events in watching:
                for event in events:
                    if not isinstance(event, DurableEvent) or event.turn_id != accepted.turn_id:
                        continue
                    if event.kind == "message_accepted":
                        question = event.payload["message"]
                    elif event.kind in TERMINAL_KINDS:
                        return Answered(accepted.conversation_id, question, _answer(event))
        raise Unavailable(
            "the server is going away; send the same request id again", reason="SERVER_DRAINING", retry_after=1.0
        )

    def _check_provider(self, provider: str, field: str) -> None:
        if provider and not self._is_provider(provider):
            error = InvalidArgument.field(field, "must be a configured provider or auto", "string.in")
            error.reason, error.metadata = "PROVIDER_UNKNOWN", {"provider": provider[:64]}
            raise error


class _Watch:
    """Context manager around a hub's subscription."""

    def __init__(self, hub: Hub, conversation_id: UUID) -> None:
        self._context = hub.watch(conversation_id)

    def __enter__(self) -> Subscription:
        return self._context.__enter__()

    def __exit__(self, *details: object) -> None:
        self._context.__exit__(None, None, None)


def _first_event(command: SendMessage | Regenerate, row: Any, request_id: str) -> tuple[DurableKind, Json]:
    """The event that brings a turn in, as the database keeps it."""
    if isinstance(command, Regenerate):
        return "regeneration_accepted", {
            "question_message_id": str(row["question_id"]),
            "queue_position": row["queue_position"],
            "request_id": request_id,
        }
    message = {
        "id": str(row["question_id"]),
        "conversation_id": str(row["conversation_id"]),
        "turn_id": str(row["turn_id"]),
        "parent_id": row["parent_id"] and str(row["parent_id"]),
        "role": "user",
        "text": command.text,
        "state": "complete",
        "sequence": row["first_sequence"],
        "request_id": request_id,
        "details": None,
        "created_at": row["accepted_at"],
    }
    return "message_accepted", {"message": message, "queue_position": row["queue_position"]}


def _fingerprint(command: SendMessage) -> bytes:
    """What makes two requests the same: all but the request id, the cursor, and what only informs the answer."""
    body: Json = {
        "target": {**fields_of(command.target), "new": fields_of(command.target.new)},
        "text": command.text,
        "options": fields_of(command.options),
        "while_answering": command.while_answering.value,
    }
    if command.replaces is not None:
        body["replaces"] = command.replaces
    return _digest(body)


def _fingerprint_again(command: Regenerate) -> bytes:
    return _digest(
        {
            "regenerates": command.message_id,
            "conversation": command.conversation_id,
            "options": fields_of(command.options),
            "while_answering": command.while_answering.value,
        }
    )


def _digest(body: Json) -> bytes:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS, default=str)).digest()


def _refusal(row: Any) -> Exception:
    outcome, limit = row["outcome"], row["first_sequence"]
    if outcome == "missing":
        return NotFound.of("conversation")
    if outcome == "missing_message":
        return NotFound.of("message")
    if outcome == "ahead":
        return cursor_ahead(limit)
    if outcome == "expired":
        return cursor_expired(limit)
    if outcome == "reused":
        return FailedPrecondition("the request id was used before with another body", reason="REQUEST_ID_REUSED")
    if outcome == "closed":
        return FailedPrecondition(
            "the conversation has ended", reason="CONVERSATION_CLOSED", metadata={"state": row["state"]}
        )
    return FailedPrecondition("an answer is running", reason="ANSWER_RUNNING")


def _answer(event: DurableEvent) -> Json:
    if event.kind == "message_completed":
        message: Json = event.payload["message"]
        return message
    if event.kind == "turn_failed":
        raise Unavailable(
            event.payload.get("message") or "the answer failed",
            reason=event.payload.get("reason") or "INTERNAL",
            retry_after=1.0,
        )
    if event.payload.get("reason") == "OWNER_CHANGED":
        raise Aborted("a human answers in this conversation", reason="OWNER_CHANGED")
    raise Aborted("the answer was cancelled", reason="STATE_CONFLICT", metadata={"state": "cancelled"})
