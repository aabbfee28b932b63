"""AnalyticsService of the contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from deskwire.v1 import analytics_pb2 as pb
from deskwire.v1 import analytics_pb2_grpc

from deskwire_server.analytics import convert
from deskwire_server.analytics.models import Place
from deskwire_server.analytics.service import AnalyticsService, begins
from deskwire_server.errors import InvalidArgument
from deskwire_server.rpc.call import current_caller
from deskwire_server.rpc.paging import PageTokens


class AnalyticsServicer(analytics_pb2_grpc.AnalyticsServiceServicer):
    """Converts, calls the service once, converts back."""

    def __init__(self, service: AnalyticsService, tokens: PageTokens, converter: convert.FeedConverter) -> None:
        self._service = service
        self._tokens = tokens
        self._converter = converter

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Any
    ) -> AsyncGenerator[pb.WatchEventsResponse, None]:
        """See the contract."""
        caller = current_caller()
        scope = ["WatchEvents", caller.tenant]
        place = begins(self._place(scope, request.cursor), from_beginning=request.from_beginning)
        async with aclosing(self._service.watch(caller, place, convert.kinds(request.kinds))) as events:
            async for event in events:
                at = event.place
                cursor = self._tokens.encode(scope, [at.transaction, at.conversation_id, at.sequence])
                yield self._converter.convert(event, cursor)

    async def GetConversationMetrics(
        self, request: pb.GetConversationMetricsRequest, context: Any
    ) -> pb.GetConversationMetricsResponse:
        """See the contract."""
        found = await self._service.conversation_metrics(current_caller(), UUID(request.conversation_id))
        return convert.metrics(found)

    def _place(self, scope: list[str], cursor: str) -> Place | None:
        if not cursor:
            return None
        try:
            transaction, conversation_id, sequence = self._tokens.decode(scope, cursor)
        except InvalidArgument as error:
            raise InvalidArgument.field("cursor", "must be a cursor of this stream", "cursor.forged") from error
        return Place(transaction, UUID(conversation_id), sequence)
