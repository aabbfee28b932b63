"""Who answers in a conversation: the assistant or a human agent, one at a time, fenced by the owner's token."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.errors import Aborted, FailedPrecondition, NotFound
from deskwire_server.ids import uuid7
from deskwire_server.turns.store import TurnStore


@dataclass(frozen=True, slots=True)
class Said:
    """What an agent said and is committed, now or by an earlier call with the same request id."""

    turn_id: UUID
    message_id: UUID
    sequence: int
    joined: bool


class OwnershipService:
    """Hands conversations over. Only agents, administrators and services may; any method may raise `NotFound`."""

    def __init__(
        self, store: TurnStore, *, fence: Callable[[UUID], None], wake_all: Callable[[UUID, UUID], None]
    ) -> None:
        """`fence` stops a turn of this worker that may write nothing more; `wake_all` tells watchers of news."""
        self._store = store
        self._fence = fence
        self._wake_all = wake_all

    async def take_over(self, caller: Caller, conversation_id: UUID, expected_token: int) -> int:
        """Make the caller the owner and return the new token.

        What the assistant was writing ends as cancelled, `OWNER_CHANGED`, in the same transaction: no word of it is
        committed after this. Raises `Aborted` when the conversation has another token than `expected_token` by now.
        """
        return await self._change(caller, conversation_id, expected_token, caller.user_id)

    async def hand_back(self, caller: Caller, conversation_id: UUID, expected_token: int) -> int:
        """Make the assistant the owner and return the new token. Raises as `take_over` does."""
        return await self._change(caller, conversation_id, expected_token, None)

    async def say_as_owner(
        self, caller: Caller, conversation_id: UUID, token: int, text: str, request_id: str = ""
    ) -> Said:
        """Commit what the owning agent says to the person. It is a turn of its own, which continues the active branch.

        Raises `Aborted` when `token` is not the owner's any more or the caller is not the owner, `FailedPrecondition`
        when the conversation has ended or the request id was used with another body.
        """
        caller.require(Role.AGENT, Role.ADMIN, Role.SERVICE)
        turn_id = uuid7()
        row = await self._store.say_as_owner(
            caller.tenant_id,
            caller.user_id,
            conversation_id,
            token,
            text,
            request_id=request_id or str(turn_id),
            request_hash=hashlib.sha256(f"say/{conversation_id}/{text}".encode()).digest(),
            turn_id=turn_id,
            message_id=uuid7(),
        )
        if row["outcome"] not in ("said", "joined"):
            raise _refusal(row["outcome"])
        self._wake_all(caller.tenant_id, conversation_id)
        return Said(row["turn_id"], row["message_id"], row["sequence"], row["outcome"] == "joined")

    async def _change(self, caller: Caller, conversation_id: UUID, expected_token: int, agent_id: str | None) -> int:
        caller.require(Role.AGENT, Role.ADMIN, Role.SERVICE)
        row = await self._store.change_owner(caller.tenant_id, conversation_id, expected_token, agent_id)
        if row["outcome"] != "done":
            raise _refusal(row["outcome"])
        if row["stopped"] is not None:
            self._fence(row["stopped"])
        self._wake_all(caller.tenant_id, conversation_id)
        return int(row["token"])


def _refusal(outcome: str) -> Exception:
    if outcome == "missing":
        return NotFound.of("conversation")
    if outcome == "closed":
        return FailedPrecondition("the conversation has ended", reason="CONVERSATION_CLOSED")
    if outcome == "reused":
        return FailedPrecondition("the request id was used before with another body", reason="REQUEST_ID_REUSED")
    return Aborted("the conversation has another owner by now", reason="OWNER_CHANGED")
