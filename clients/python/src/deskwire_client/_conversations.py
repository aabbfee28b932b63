"""Conversations as resources: finding, listing, changing, ending."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from deskwire.v1 import conversation_pb2
from deskwire.v1.conversation_pb2_grpc import ConversationServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from deskwire_client import _convert
from deskwire_client._calls import Caller, new_request_id
from deskwire_client.models import ConversationInfo, ConversationStatus, HistoryEntry


def _status(value: ConversationStatus) -> conversation_pb2.ConversationStatus.ValueType:
    return conversation_pb2.ConversationStatus.Value(f"CONVERSATION_STATUS_{value.name}")


class Conversations:
    """Conversations that the caller may see: users their own, agents, administrators and services the tenant's."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = ConversationServiceStub(caller.channel)

    async def get(self, conversation_id: str) -> ConversationInfo:
        """One conversation. Raises NotFoundError."""
        request = conversation_pb2.GetConversationRequest(conversation_id=conversation_id)
        return _convert.conversation((await self._caller.unary(self._stub.GetConversation, request)).conversation)

    async def list(
        self, *, statuses: Sequence[ConversationStatus] = (), user_id: str = "", query: str = "", page_size: int = 100
    ) -> AsyncIterator[ConversationInfo]:
        """Conversations, latest activity first, page by page as they are needed. `query` looks into titles."""
        request = conversation_pb2.ListConversationsRequest(
            statuses=[_status(status) for status in statuses], user_id=user_id, query=query, page_size=page_size
        )
        while True:
            page = await self._caller.unary(self._stub.ListConversations, request)
            for value in page.conversations:
                yield _convert.conversation(value)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def history(
        self, *, user_id: str = "", since: datetime | None = None, until: datetime | None = None, page_size: int = 100
    ) -> AsyncIterator[HistoryEntry]:
        """What a user asked and was answered in all conversations, latest first, page by page as they are needed.

        The caller's own, or that of `user_id`, which is for agents, administrators and services; only what was asked
        from `since` on and before `until`. Raises DeskwireError.
        """
        request = conversation_pb2.ListHistoryRequest(user_id=user_id, page_size=page_size)
        if since is not None:
            request.time.start_time.FromDatetime(since)
        if until is not None:
            request.time.end_time.FromDatetime(until)
        while True:
            page = await self._caller.unary(self._stub.ListHistory, request)
            for value in page.entries:
                yield _convert.history_entry(value)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def update(
        self, conversation_id: str, *, etag: str = "", request_id: str | None = None, **changes: Any
    ) -> ConversationInfo:
        """Change `name`, `email`, `phone`, `company`, `title`, `tags` or `metadata`, those that are given.

        With `etag` a change by somebody else in between is refused: AbortedError `ETAG_MISMATCH`. Raises NotFoundError,
        and ValueError for other names.
        """
        unknown = changes.keys() - {"name", "email", "phone", "company", "title", "tags", "metadata"}
        if unknown or not changes:
            named = f", not {', '.join(sorted(unknown))}" if unknown else ""
            raise ValueError(f"change name, email, phone, company, title, tags or metadata{named}")
        request = conversation_pb2.UpdateConversationRequest(
            conversation=conversation_pb2.Conversation(id=conversation_id, etag=etag, **changes),
            update_mask=FieldMask(paths=sorted(changes)),
            request_id=request_id or new_request_id(),
        )
        return _convert.conversation((await self._caller.unary(self._stub.UpdateConversation, request)).conversation)

    async def end(
        self, conversation_id: str, *, status: ConversationStatus = ConversationStatus.COMPLETED,
        request_id: str | None = None,
    ) -> ConversationInfo:  # fmt: skip
        """End a conversation as completed, abandoned or blocked. Ending it again changes nothing."""
        request = conversation_pb2.EndConversationRequest(
            conversation_id=conversation_id, status=_status(status), request_id=request_id or new_request_id()
        )
        return _convert.conversation((await self._caller.unary(self._stub.EndConversation, request)).conversation)
