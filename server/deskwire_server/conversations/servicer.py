"""ConversationService of the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from deskwire.v1 import common_pb2, conversation_pb2_grpc
from deskwire.v1 import conversation_pb2 as pb

from deskwire_server import ids
from deskwire_server.conversations import convert
from deskwire_server.conversations.models import Exchange, Message
from deskwire_server.conversations.service import ConversationService, HistoryQuery, ListQuery
from deskwire_server.feedback.convert import feedback, span
from deskwire_server.rpc.call import current_caller
from deskwire_server.rpc.paging import PageTokens, page_size


class ConversationServicer(conversation_pb2_grpc.ConversationServiceServicer):
    """Converts, calls the service once, converts back."""

    def __init__(self, service: ConversationService, pages: PageTokens) -> None:
        self._service = service
        self._pages = pages

    async def CreateConversation(
        self, request: pb.CreateConversationRequest, context: Any
    ) -> pb.CreateConversationResponse:
        """See the contract."""
        new = convert.new_conversation(request.conversation)
        made = await self._service.create(current_caller(), request.conversation.session_id, new, request.request_id)
        return pb.CreateConversationResponse(conversation=convert.conversation(made))

    async def GetConversation(self, request: pb.GetConversationRequest, context: Any) -> pb.GetConversationResponse:
        """See the contract."""
        found = await self._service.get(current_caller(), UUID(request.conversation_id))
        return pb.GetConversationResponse(conversation=convert.conversation(found))

    async def GetOrCreateConversation(
        self, request: pb.GetOrCreateConversationRequest, context: Any
    ) -> pb.GetOrCreateConversationResponse:
        """See the contract."""
        new = convert.new_conversation(request.conversation)
        found, created = await self._service.get_or_create(current_caller(), request.session_id, new)
        return pb.GetOrCreateConversationResponse(conversation=convert.conversation(found), created=created)

    async def ListConversations(
        self, request: pb.ListConversationsRequest, context: Any
    ) -> pb.ListConversationsResponse:
        """See the contract."""
        caller, limit = current_caller(), page_size(request.page_size)
        filters = [request.user_id, list(request.statuses), request.query]
        scope = ["ListConversations", caller.tenant, caller.user_id, *filters]
        before = None
        if request.page_token:
            at, last = self._pages.decode(scope, request.page_token)
            before = (datetime.fromisoformat(at), UUID(last))
        statuses = [convert.status_value(status) for status in request.statuses]
        query = ListQuery(request.user_id, statuses, request.query, before, limit + 1)
        found = await self._service.list_page(caller, query)
        page, more = found[:limit], len(found) > limit
        token = self._pages.encode(scope, [page[-1].updated_at, page[-1].id]) if more else ""
        return pb.ListConversationsResponse(
            conversations=[convert.conversation(each) for each in page], next_page_token=token
        )

    async def UpdateConversation(
        self, request: pb.UpdateConversationRequest, context: Any
    ) -> pb.UpdateConversationResponse:
        """See the contract."""
        changes = convert.changes(request.conversation, request.update_mask)
        changed = await self._service.update(
            current_caller(),
            ids.parse(request.conversation.id, "conversation.id"),
            changes,
            etag=request.conversation.etag,
            request_id=request.request_id,
        )
        return pb.UpdateConversationResponse(conversation=convert.conversation(changed))

    async def EndConversation(self, request: pb.EndConversationRequest, context: Any) -> pb.EndConversationResponse:
        """See the contract."""
        ended = await self._service.end(
            current_caller(), UUID(request.conversation_id), convert.status_value(request.status), request.request_id
        )
        return pb.EndConversationResponse(conversation=convert.conversation(ended))

    async def ListMessages(self, request: pb.ListMessagesRequest, context: Any) -> pb.ListMessagesResponse:
        """See the contract."""
        caller, limit = current_caller(), page_size(request.page_size)
        asked = [request.conversation_id, request.newest_first, request.all_branches]
        scope = ["ListMessages", caller.tenant, caller.user_id, *asked]
        after = self._pages.decode(scope, request.page_token) if request.page_token else None
        found = await self._service.messages(
            caller,
            UUID(request.conversation_id),
            after=after,
            newest_first=request.newest_first,
            limit=limit + 1,
            all_branches=request.all_branches,
        )
        page, more = found[:limit], len(found) > limit
        token = self._pages.encode(scope, page[-1].sequence) if more else ""
        return pb.ListMessagesResponse(messages=[_message(each) for each in page], next_page_token=token)

    async def SelectBranch(self, request: pb.SelectBranchRequest, context: Any) -> pb.SelectBranchResponse:
        """See the contract."""
        changed = await self._service.select_branch(
            current_caller(), UUID(request.conversation_id), UUID(request.message_id), request.request_id
        )
        return pb.SelectBranchResponse(conversation=convert.conversation(changed))

    async def ListHistory(self, request: pb.ListHistoryRequest, context: Any) -> pb.ListHistoryResponse:
        """See the contract."""
        caller, limit = current_caller(), page_size(request.page_size)
        asked = span(request.time)
        scope = ["ListHistory", caller.tenant, caller.user_id, request.user_id, asked.start, asked.end]
        before = None
        if request.page_token:
            at, last = self._pages.decode(scope, request.page_token)
            before = (datetime.fromisoformat(at), UUID(last))
        found = await self._service.history(caller, HistoryQuery(request.user_id, asked, before, limit + 1))
        page, more = found[:limit], len(found) > limit
        token = self._pages.encode(scope, [page[-1].asked_at, page[-1].turn_id]) if more else ""
        return pb.ListHistoryResponse(entries=[_entry(each) for each in page], next_page_token=token)


def _message(value: Message) -> common_pb2.Message:
    """A listed message: with its feedback and with what else stands in its place, which events do not carry."""
    listed = convert.message(value)
    listed.alternative_message_ids.extend(map(str, value.alternatives))
    if value.feedback is not None:
        listed.feedback.CopyFrom(feedback(value.feedback))
    return listed


def _entry(value: Exchange) -> pb.HistoryEntry:
    return pb.HistoryEntry(
        conversation_id=str(value.question.conversation_id),
        question=_message(value.question),
        answer=_message(value.answer) if value.answer is not None else None,
    )
