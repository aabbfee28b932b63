"""SourceService of the contract."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from deskwire.v1 import source_pb2 as pb
from deskwire.v1 import source_pb2_grpc

from deskwire_server.rpc.call import current_caller
from deskwire_server.rpc.paging import PageTokens, page_size
from deskwire_server.sources import convert
from deskwire_server.sources.service import SourceService


class SourceServicer(source_pb2_grpc.SourceServiceServicer):
    """Converts, calls the service once, converts back."""

    def __init__(self, service: SourceService, pages: PageTokens) -> None:
        self._service = service
        self._pages = pages

    async def CreateSource(self, request: pb.CreateSourceRequest, context: Any) -> pb.CreateSourceResponse:
        """See the contract."""
        made = await self._service.create(current_caller(), convert.draft(request.source), request.request_id)
        return pb.CreateSourceResponse(source=convert.source(made))

    async def GetSource(self, request: pb.GetSourceRequest, context: Any) -> pb.GetSourceResponse:
        """See the contract."""
        found = await self._service.get(current_caller(), UUID(request.source_id))
        return pb.GetSourceResponse(source=convert.source(found))

    async def ListSources(self, request: pb.ListSourcesRequest, context: Any) -> pb.ListSourcesResponse:
        """See the contract."""
        caller, limit = current_caller(), page_size(request.page_size)
        scope = ["ListSources", caller.tenant, caller.user_id]
        after = self._pages.decode(scope, request.page_token) if request.page_token else ""
        found = await self._service.list_page(caller, after, limit + 1)
        page, more = found[:limit], len(found) > limit
        token = self._pages.encode(scope, page[-1].name) if more else ""
        return pb.ListSourcesResponse(sources=map(convert.source, page), next_page_token=token)

    async def UpdateSource(self, request: pb.UpdateSourceRequest, context: Any) -> pb.UpdateSourceResponse:
        """See the contract."""
        changed = await self._service.update(
            current_caller(),
            UUID(request.source.id),
            convert.patch(request.source, request.update_mask),
            etag=request.source.etag,
            request_id=request.request_id,
        )
        return pb.UpdateSourceResponse(source=convert.source(changed))

    async def DeleteSource(self, request: pb.DeleteSourceRequest, context: Any) -> pb.DeleteSourceResponse:
        """See the contract."""
        await self._service.delete(
            current_caller(),
            UUID(request.source_id),
            keep_articles=request.keep_articles,
            request_id=request.request_id,
        )
        return pb.DeleteSourceResponse()

    async def SyncSource(self, request: pb.SyncSourceRequest, context: Any) -> pb.SyncSourceResponse:
        """See the contract."""
        queued = await self._service.synchronise(
            current_caller(), UUID(request.source_id), refetch=request.refetch, request_id=request.request_id
        )
        return pb.SyncSourceResponse(source=convert.source(queued))

    async def ListSourcePages(self, request: pb.ListSourcePagesRequest, context: Any) -> pb.ListSourcePagesResponse:
        """See the contract."""
        caller, limit = current_caller(), page_size(request.page_size)
        scope = ["ListSourcePages", caller.tenant, caller.user_id, request.source_id, request.outcome]
        after = self._pages.decode(scope, request.page_token) if request.page_token else ""
        outcome = convert.outcome(request.outcome)
        found = await self._service.pages(
            caller, UUID(request.source_id), after=after, outcome=outcome, limit=limit + 1
        )
        page, more = found[:limit], len(found) > limit
        token = self._pages.encode(scope, page[-1].url) if more else ""
        return pb.ListSourcePagesResponse(pages=map(convert.page, page), next_page_token=token)
