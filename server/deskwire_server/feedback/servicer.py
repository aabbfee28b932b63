"""FeedbackService of the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from deskwire.v1 import feedback_pb2 as pb
from deskwire.v1 import feedback_pb2_grpc

from deskwire_server.conversations.convert import conversation
from deskwire_server.conversations.service import ConversationService
from deskwire_server.feedback import convert
from deskwire_server.feedback.service import FeedbackService
from deskwire_server.rpc.call import current_caller
from deskwire_server.rpc.paging import PageTokens, page_size


class FeedbackServicer(feedback_pb2_grpc.FeedbackServiceServicer):
    """Converts, calls a service once, converts back."""

    def __init__(self, service: FeedbackService, conversations: ConversationService, pages: PageTokens) -> None:
        self._service = service
        self._conversations = conversations
        self._pages = pages

    async def SubmitFeedback(self, request: pb.SubmitFeedbackRequest, context: Any) -> pb.SubmitFeedbackResponse:
        """See the contract."""
        kept = await self._service.submit(current_caller(), convert.submission(request), request.request_id)
        return pb.SubmitFeedbackResponse(feedback=convert.feedback(kept))

    async def GetFeedback(self, request: pb.GetFeedbackRequest, context: Any) -> pb.GetFeedbackResponse:
        """See the contract."""
        found = await self._service.get(current_caller(), UUID(request.feedback_id))
        return pb.GetFeedbackResponse(feedback=convert.feedback(found))

    async def ListFeedback(self, request: pb.ListFeedbackRequest, context: Any) -> pb.ListFeedbackResponse:
        """See the contract."""
        caller, limit = current_caller(), page_size(request.page_size)
        span = convert.span(request.create_time)
        filters = [request.conversation_id, request.sentiment, span, request.user_id]
        scope = ["ListFeedback", caller.tenant, caller.user_id, *filters]
        before = None
        if request.page_token:
            at, last = self._pages.decode(scope, request.page_token)
            before = (datetime.fromisoformat(at), UUID(last))
        found = await self._service.list_page(caller, convert.list_query(request, before, limit + 1))
        page, more = found[:limit], len(found) > limit
        token = self._pages.encode(scope, [page[-1].created_at, page[-1].id]) if more else ""
        return pb.ListFeedbackResponse(feedback=[convert.feedback(each) for each in page], next_page_token=token)

    async def SummarizeFeedback(
        self, request: pb.SummarizeFeedbackRequest, context: Any
    ) -> pb.SummarizeFeedbackResponse:
        """See the contract."""
        summary = await self._service.summarize(current_caller(), convert.span(request.time_range))
        return convert.summary(summary)

    async def RateConversation(self, request: pb.RateConversationRequest, context: Any) -> pb.RateConversationResponse:
        """See the contract."""
        rated = await self._conversations.rate(
            current_caller(), UUID(request.conversation_id), request.rating, request.request_id
        )
        return pb.RateConversationResponse(conversation=conversation(rated))
