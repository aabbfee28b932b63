"""KnowledgeGapService of the contract."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from deskwire.v1 import gap_pb2 as pb
from deskwire.v1 import gap_pb2_grpc

from deskwire_server.gaps import convert
from deskwire_server.gaps.service import GapService
from deskwire_server.rpc.call import current_caller
from deskwire_server.rpc.paging import PageTokens, page_size


class KnowledgeGapServicer(gap_pb2_grpc.KnowledgeGapServiceServicer):
    """Converts, calls the service once, converts back."""

    def __init__(self, service: GapService, pages: PageTokens) -> None:
        self._service = service
        self._pages = pages

    async def ListKnowledgeGaps(
        self, request: pb.ListKnowledgeGapsRequest, context: Any
    ) -> pb.ListKnowledgeGapsResponse:
        """See the contract."""
        caller, limit = current_caller(), page_size(request.page_size)
        scope = ["ListKnowledgeGaps", caller.tenant, caller.user_id, request.status]
        before = None
        if request.page_token:
            count, last = self._pages.decode(scope, request.page_token)
            before = (int(count), UUID(last))
        found = await self._service.list_page(caller, convert.status(request.status), before, limit + 1)
        page, more = found[:limit], len(found) > limit
        token = self._pages.encode(scope, [page[-1].count, page[-1].id]) if more else ""
        return pb.ListKnowledgeGapsResponse(gaps=map(convert.gap, page), next_page_token=token)

    async def GetKnowledgeGap(self, request: pb.GetKnowledgeGapRequest, context: Any) -> pb.GetKnowledgeGapResponse:
        """See the contract."""
        found = await self._service.get(current_caller(), UUID(request.gap_id))
        return pb.GetKnowledgeGapResponse(gap=convert.gap(found))

    async def CloseKnowledgeGap(
        self, request: pb.CloseKnowledgeGapRequest, context: Any
    ) -> pb.CloseKnowledgeGapResponse:
        """See the contract."""
        article_id = UUID(request.article_id) if request.article_id else None
        closed = await self._service.close(current_caller(), UUID(request.gap_id), article_id, request.request_id)
        return pb.CloseKnowledgeGapResponse(gap=convert.gap(closed))

    async def ReopenKnowledgeGap(
        self, request: pb.ReopenKnowledgeGapRequest, context: Any
    ) -> pb.ReopenKnowledgeGapResponse:
        """See the contract."""
        opened = await self._service.reopen(current_caller(), UUID(request.gap_id), request.request_id)
        return pb.ReopenKnowledgeGapResponse(gap=convert.gap(opened))
