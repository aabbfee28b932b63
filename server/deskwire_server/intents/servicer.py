"""IntentService of the contract."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from deskwire.v1 import intent_pb2 as pb
from deskwire.v1 import intent_pb2_grpc

from deskwire_server.conversations.convert import duration, moment
from deskwire_server.intents import convert
from deskwire_server.intents.analyst import Analyst
from deskwire_server.intents.batches import Batches
from deskwire_server.intents.patterns import PatternQuery, QueryPatterns
from deskwire_server.intents.service import IntentService
from deskwire_server.intents.trainings import Trainings
from deskwire_server.rpc.call import current_caller
from deskwire_server.rpc.paging import PageTokens, page_size


class IntentServicer(intent_pb2_grpc.IntentServiceServicer):
    """Converts, calls a service once, converts back."""

    def __init__(
        self, service: IntentService, analyst: Analyst, trainings: Trainings, patterns: QueryPatterns, pages: PageTokens
    ) -> None:
        self._service = service
        self._analyst = analyst
        self._trainings = trainings
        self._patterns = patterns
        self._pages = pages

    async def AnalyzeIntent(self, request: pb.AnalyzeIntentRequest, context: Any) -> pb.AnalyzeIntentResponse:
        """See the contract."""
        message = convert.message(request.message, request.context, request.history)
        return convert.analysed(await self._analyst.analyse_intent(current_caller().tenant_id, message))

    async def AnalyzeMessage(self, request: pb.AnalyzeMessageRequest, context: Any) -> pb.AnalyzeMessageResponse:
        """See the contract."""
        started = time.perf_counter()
        message = convert.message(request.message, request.context, request.history)
        found = await self._analyst.analyse(current_caller().tenant_id, [(message, request.analysis_types)])
        return pb.AnalyzeMessageResponse(
            analyses=convert.structs(found[0]), processing_time=duration(time.perf_counter() - started)
        )

    async def BatchAnalyzeMessages(
        self, request_iterator: AsyncIterator[pb.BatchAnalyzeMessagesRequest], context: Any
    ) -> AsyncGenerator[pb.BatchAnalyzeMessagesResponse, None]:
        """See the contract."""
        async with aclosing(Batches(self._analyst, current_caller().tenant_id).run(request_iterator)) as responses:
            async for response in responses:
                yield response

    async def ClassifyIntent(self, request: pb.ClassifyIntentRequest, context: Any) -> pb.ClassifyIntentResponse:
        """See the contract."""
        found = await self._service.classify(current_caller(), request.message, convert.candidates(request.intents))
        return convert.classified(found)

    async def CreateIntent(self, request: pb.CreateIntentRequest, context: Any) -> pb.CreateIntentResponse:
        """See the contract."""
        made = await self._service.create(current_caller(), convert.draft(request.intent), request.request_id)
        return pb.CreateIntentResponse(intent=convert.intent(made))

    async def GetIntent(self, request: pb.GetIntentRequest, context: Any) -> pb.GetIntentResponse:
        """See the contract."""
        found = await self._service.get(current_caller(), UUID(request.intent_id))
        return pb.GetIntentResponse(intent=convert.intent(found))

    async def ListIntents(self, request: pb.ListIntentsRequest, context: Any) -> pb.ListIntentsResponse:
        """See the contract."""
        caller, limit = current_caller(), page_size(request.page_size)
        scope = ["ListIntents", caller.tenant, request.include_examples]
        after = str(self._pages.decode(scope, request.page_token)) if request.page_token else None
        page = await self._service.list_page(caller, after=after, limit=limit, with_examples=request.include_examples)
        return pb.ListIntentsResponse(
            intents=[convert.intent(each) for each in page.intents],
            next_page_token=self._pages.encode(scope, page.following) if page.following is not None else "",
            total_count=page.total,
        )

    async def UpdateIntent(self, request: pb.UpdateIntentRequest, context: Any) -> pb.UpdateIntentResponse:
        """See the contract."""
        changed = await self._service.update(
            current_caller(),
            UUID(request.intent.id),
            convert.patch(request.intent, request.update_mask.paths),
            etag=request.intent.etag,
            request_id=request.request_id,
        )
        return pb.UpdateIntentResponse(intent=convert.intent(changed))

    async def DeleteIntent(self, request: pb.DeleteIntentRequest, context: Any) -> pb.DeleteIntentResponse:
        """See the contract."""
        await self._service.delete(
            current_caller(), UUID(request.intent_id), etag=request.etag, request_id=request.request_id
        )
        return pb.DeleteIntentResponse()

    async def TrainIntents(
        self, request: pb.TrainIntentsRequest, context: Any
    ) -> AsyncGenerator[pb.TrainIntentsResponse, None]:
        """See the contract."""
        async with aclosing(self._trainings.watch(current_caller(), request.request_id)) as trainings:
            async for training in trainings:
                yield pb.TrainIntentsResponse(training=convert.training(training))

    async def GetTrainingReport(
        self, request: pb.GetTrainingReportRequest, context: Any
    ) -> pb.GetTrainingReportResponse:
        """See the contract."""
        training_id = UUID(request.training_id) if request.training_id else None
        found = await self._trainings.get(current_caller(), training_id)
        return pb.GetTrainingReportResponse(training=convert.training(found))

    async def ListQueryPatterns(
        self, request: pb.ListQueryPatternsRequest, context: Any
    ) -> pb.ListQueryPatternsResponse:
        """See the contract."""
        caller, limit = current_caller(), page_size(request.page_size)
        span = request.time_range
        scope = ["ListQueryPatterns", caller.tenant, span, request.min_count, request.unanswered_only]
        end = moment(span.end_time) if span.HasField("end_time") else None
        place = 0
        if request.page_token:
            place, at = self._pages.decode(scope, request.page_token)
            end = end or PatternQuery.moment(at)
        query = PatternQuery.of(
            moment(span.start_time) if span.HasField("start_time") else None, end,
            least=request.min_count or 2, unanswered_only=request.unanswered_only,
        )  # fmt: skip
        found = await self._patterns.find(caller, query)
        page = found.patterns[place : place + limit]
        more = place + limit < len(found.patterns)
        token = self._pages.encode(scope, [place + limit, query.end]) if more else ""
        return convert.patterns(found, page, token)
