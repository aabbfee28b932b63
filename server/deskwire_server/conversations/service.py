"""Conversations as resources: who may see and change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.conversations import branches, store
from deskwire_server.conversations.models import Conversation, ConversationStatus, Exchange, Message
from deskwire_server.db import idempotency
from deskwire_server.db.engine import Database
from deskwire_server.db.idempotency import RequestKey
from deskwire_server.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound, PermissionDenied
from deskwire_server.feedback.models import Span
from deskwire_server.turns.models import NewConversation


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which conversations to list."""

    user_id: str = ""
    """Empty: those that the caller may see."""
    statuses: Sequence[ConversationStatus] = ()
    query: str = ""
    before: tuple[datetime, UUID] | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which exchanges to list."""

    user_id: str = ""
    """Empty: the caller's own."""
    asked: Span = field(default_factory=Span)
    before: tuple[datetime, UUID] | None = None
    limit: int = 50


class ConversationService:
    """What callers do with conversations. Users see their own, everybody else those of the tenant."""

    def __init__(self, database: Database, announce: Callable[[UUID, UUID], None]) -> None:
        self._database = database
        self._announce = announce

    async def create(self, caller: Caller, session_id: str, new: NewConversation, request_id: str) -> Conversation:
        """Make a conversation. Raises `AlreadyExists` when the session has one."""
        key = RequestKey("CreateConversation", request_id, {"session": session_id, **asdict(new)})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, known = await idempotency.begin(connection, caller, key)
            if not is_new and known is not None:
                return await self._visible(connection, caller, known)
            made = await store.insert(connection, caller.tenant_id, caller.user_id, session_id or None, _fields(new))
            if made is None:
                raise AlreadyExists("the session has a conversation", metadata={"resource": "conversation"})
            await idempotency.finish(connection, caller, key, made.id)
            return made

    async def get_or_create(self, caller: Caller, session_id: str, new: NewConversation) -> tuple[Conversation, bool]:
        """The conversation of the caller's session, and whether this call made it."""
        async with self._database.transaction(caller.tenant_id) as connection:
            made = await store.insert(connection, caller.tenant_id, caller.user_id, session_id, _fields(new))
            if made is not None:
                return made, True
            known = await store.find_by_session(connection, caller.user_id, session_id)
            if known is None:
                raise NotFound.of("conversation")
            return known, False

    async def get(self, caller: Caller, conversation_id: UUID) -> Conversation:
        """One conversation. Raises `NotFound`."""
        async with self._database.transaction(caller.tenant_id) as connection:
            return await self._visible(connection, caller, conversation_id)

    async def find_by_session(self, caller: Caller, session_id: str) -> Conversation:
        """The conversation of the caller's session. Raises `NotFound`."""
        async with self._database.transaction(caller.tenant_id) as connection:
            known = await store.find_by_session(connection, caller.user_id, session_id)
        if known is None:
            raise NotFound.of("conversation")
        return known

    async def list_page(self, caller: Caller, query: ListQuery) -> list[Conversation]:
        """A page of conversations. Raises `PermissionDenied` when a user asks for another's."""
        user_id = query.user_id or None
        if not caller.sees_all:
            if user_id not in (None, caller.user_id):
                raise PermissionDenied("users may list their own conversations only", metadata={"required": "agent"})
            user_id = caller.user_id
        async with self._database.transaction(caller.tenant_id) as connection:
            return await store.list_page(
                connection,
                user_id=user_id,
                statuses=query.statuses,
                query=query.query,
                before=query.before,
                limit=query.limit,
            )

    async def update(
        self, caller: Caller, conversation_id: UUID, changes: Mapping[str, Any], *, etag: str, request_id: str
    ) -> Conversation:
        """Change fields. Raises `NotFound`, and `Aborted` when `etag` is given and stale."""
        key = RequestKey("UpdateConversation", request_id, {"id": str(conversation_id), "etag": etag, **changes})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            current = await self._visible(connection, caller, conversation_id, lock=True)
            if not is_new:
                return current
            if etag and etag != str(current.version):
                raise Aborted("somebody else changed the conversation: read it again")
            await store.update(connection, conversation_id, changes)
            await idempotency.finish(connection, caller, key, conversation_id)
            changed = await self._note_change(connection, caller, conversation_id)
        self._announce(caller.tenant_id, conversation_id)
        return changed

    async def end(
        self, caller: Caller, conversation_id: UUID, status: ConversationStatus, request_id: str
    ) -> Conversation:
        """End a conversation. Ending it again with the same state changes nothing."""
        if status is ConversationStatus.BLOCKED:
            caller.require(Role.AGENT, Role.ADMIN, Role.SERVICE)
        key = RequestKey("EndConversation", request_id, {"id": str(conversation_id), "status": status.value})
        async with self._database.transaction(caller.tenant_id) as connection:
            await idempotency.begin(connection, caller, key)
            current = await self._visible(connection, caller, conversation_id, lock=True)
            if current.status is status:
                return current
            if current.status is not ConversationStatus.ACTIVE:
                raise FailedPrecondition(
                    "the conversation has ended", reason="CONVERSATION_CLOSED", metadata={"state": current.status.value}
                )
            await store.end(connection, conversation_id, status)
            await idempotency.finish(connection, caller, key, conversation_id)
            changed = await self._note_change(connection, caller, conversation_id)
        self._announce(caller.tenant_id, conversation_id)
        return changed

    async def rate(self, caller: Caller, conversation_id: UUID, rating: int, request_id: str) -> Conversation:
        """Note how satisfied its user is, 1 to 5, also after its end. The same rating again changes nothing.

        Raises `NotFound`, and `PermissionDenied` for whoever is neither its user nor a service.
        """
        key = RequestKey("RateConversation", request_id, {"id": str(conversation_id), "rating": rating})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            current = await self._visible(connection, caller, conversation_id, lock=True)
            if current.user_id != caller.user_id:
                caller.require(Role.SERVICE)
            await idempotency.finish(connection, caller, key, conversation_id)
            if not is_new or current.satisfaction_rating == rating:
                return current
            await store.rate(connection, conversation_id, rating)
            changed = await self._note_change(connection, caller, conversation_id)
        self._announce(caller.tenant_id, conversation_id)
        return changed

    async def select_branch(
        self, caller: Caller, conversation_id: UUID, message_id: UUID, request_id: str
    ) -> Conversation:
        """Make the newest branch through a message the active one. Where it is already, nothing changes.

        Raises `NotFound`, and `FailedPrecondition` while an answer runs or waits.
        """
        key = RequestKey("SelectBranch", request_id, {"id": str(conversation_id), "message": str(message_id)})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            current = await self._visible(connection, caller, conversation_id, lock=True)
            if not is_new:
                return current
            leaf = await branches.newest_through(connection, caller.tenant_id, conversation_id, message_id)
            if leaf is None:
                raise NotFound.of("message")
            if current.active_turn_id is not None:
                raise FailedPrecondition("an answer is running", reason="ANSWER_RUNNING")
            await idempotency.finish(connection, caller, key, conversation_id)
            if not await branches.set_head(connection, conversation_id, leaf):
                return current
            changed = await self._note_change(connection, caller, conversation_id)
        self._announce(caller.tenant_id, conversation_id)
        return changed

    async def messages(
        self,
        caller: Caller,
        conversation_id: UUID,
        *,
        after: int | None,
        newest_first: bool,
        limit: int,
        all_branches: bool = False,
    ) -> list[Message]:
        """A page of messages, of the active branch unless `all_branches`. Raises `NotFound`."""
        async with self._database.transaction(caller.tenant_id) as connection:
            await self._visible(connection, caller, conversation_id)
            return await branches.messages_page(
                connection,
                caller.tenant_id,
                conversation_id,
                after=after,
                newest_first=newest_first,
                all_branches=all_branches,
                limit=limit,
            )

    async def history(self, caller: Caller, query: HistoryQuery) -> list[Exchange]:
        """A page of what a user asked and was answered. Raises `PermissionDenied` when a user asks for another's."""
        if not caller.sees_all and query.user_id not in ("", caller.user_id):
            raise PermissionDenied("users may list their own history only", metadata={"required": "agent"})
        async with self._database.transaction(caller.tenant_id) as connection:
            return await branches.history_page(
                connection,
                user_id=query.user_id or caller.user_id,
                own_only=not caller.sees_all,
                span=query.asked,
                before=query.before,
                limit=query.limit,
            )

    async def has_ended(self, caller: Caller, turn_id: UUID) -> bool:
        """Whether nothing more will come of a turn."""
        async with self._database.transaction(caller.tenant_id) as connection:
            return await branches.has_ended(connection, turn_id)

    async def _visible(
        self, connection: Any, caller: Caller, conversation_id: UUID, *, lock: bool = False
    ) -> Conversation:
        user_id = None if caller.sees_all else caller.user_id
        found = await store.find(connection, conversation_id, user_id, lock=lock)
        if found is None:
            raise NotFound.of("conversation")
        return found

    async def _note_change(self, connection: Any, caller: Caller, conversation_id: UUID) -> Conversation:
        await store.note_change(connection, caller.tenant_id, conversation_id)
        return await self._visible(connection, caller, conversation_id)


def _fields(new: NewConversation) -> dict[str, Any]:
    return {**asdict(new), "tags": list(new.tags)}
