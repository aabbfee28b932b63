"""PortalAssistantService: the older paths under `/ai`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskwire.compat.v1 import portal_pb2 as pb
from deskwire.compat.v1 import portal_pb2_grpc
from deskwire.v1 import common_pb2, feedback_pb2, intent_pb2, knowledge_pb2
from google.protobuf.json_format import MessageToDict

from deskwire_server.compat import portal_intents
from deskwire_server.compat.core import Core
from deskwire_server.errors import InvalidArgument
from deskwire_server.rpc.validation import check

_SENTIMENTS = {"positive": common_pb2.FEEDBACK_SENTIMENT_POSITIVE, "negative": common_pb2.FEEDBACK_SENTIMENT_NEGATIVE}
_THANKS = "Thank you for your feedback! It helps us improve our AI assistant."


class PortalAssistantServicer(portal_pb2_grpc.PortalAssistantServiceServicer):
    """Converts to the core's messages and back; decides nothing."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def Chat(
        self, request: pb.PortalAssistantServiceChatRequest, context: Any
    ) -> pb.PortalAssistantServiceChatResponse:
        """See the contract."""
        caller = self._core.act_for(request.context.user_id, "context.userId")
        caller.require_tenant(request.context.tenant_id)
        answered = await self._core.ask(
            request.message, request.conversation_id, "conversationId", request.request_id, _context(request.context)
        )
        message, details = answered.message, answered.message.answer
        return pb.PortalAssistantServiceChatResponse(
            message=message.text,
            intent=details.intent,
            confidence=details.confidence,
            actions=[
                pb.PortalAction(id=each.id, label=each.label, type=each.type, action=each.action, variant=each.variant)
                for each in details.actions
            ],
            data=details.data,
            follow_up_questions=details.follow_up_questions,
            citations=[_citation(each) for each in details.citations],
            conversation_id=request.conversation_id or answered.conversation_id,
            message_id=message.id,
        )

    async def SearchKnowledgeBase(
        self, request: pb.SearchKnowledgeBaseRequest, context: Any
    ) -> pb.SearchKnowledgeBaseResponse:
        """See the contract."""
        filters = request.filters
        core_request = knowledge_pb2.SearchKnowledgeRequest(
            query=request.query,
            context_terms=request.context,
            filter=knowledge_pb2.KnowledgeFilter(category=filters.category, tags=filters.tags),
            limit=request.limit if request.HasField("limit") else None,
        )
        if filters.date_range.HasField("start"):
            core_request.filter.update_time.start_time.CopyFrom(filters.date_range.start)
        if filters.date_range.HasField("end"):
            core_request.filter.update_time.end_time.CopyFrom(filters.date_range.end)
        found = await self._core.search(core_request)
        return pb.SearchKnowledgeBaseResponse(
            results=[_result(each) for each in found.results],
            total_count=found.total_count,
            search_time=found.search_time.ToTimedelta().total_seconds(),
        )

    async def AnalyzeIntent(
        self, request: pb.PortalAssistantServiceAnalyzeIntentRequest, context: Any
    ) -> pb.PortalAssistantServiceAnalyzeIntentResponse:
        """See the contract."""
        caller = self._core.act_for(request.context.user_id, "context.userId")
        caller.require_tenant(request.context.tenant_id)
        core_request = intent_pb2.AnalyzeIntentRequest(message=request.message, context=_context(request.context))
        check(core_request)
        return portal_intents.analysed(await self._core.intents.AnalyzeIntent(core_request, None))

    async def CreateIntent(
        self, request: pb.PortalAssistantServiceCreateIntentRequest, context: Any
    ) -> pb.PortalAssistantServiceCreateIntentResponse:
        """See the contract."""
        creation = intent_pb2.CreateIntentRequest(
            intent=intent_pb2.Intent(name=request.name, description=request.description, examples=request.examples),
            request_id=request.request_id,
        )
        check(creation)
        made = (await self._core.intents.CreateIntent(creation, None)).intent
        return pb.PortalAssistantServiceCreateIntentResponse(**portal_intents.fields(made))

    async def ListIntents(
        self, request: pb.PortalAssistantServiceListIntentsRequest, context: Any
    ) -> pb.PortalAssistantServiceListIntentsResponse:
        """See the contract."""
        return await portal_intents.listed(self._core.intents)

    async def TrainIntents(
        self, request: pb.PortalAssistantServiceTrainIntentsRequest, context: Any
    ) -> pb.PortalAssistantServiceTrainIntentsResponse:
        """See the contract."""
        core_request = intent_pb2.TrainIntentsRequest(request_id=request.request_id)
        check(core_request)
        return await portal_intents.trained(self._core.intents, core_request)

    async def RecordFeedback(self, request: pb.RecordFeedbackRequest, context: Any) -> pb.RecordFeedbackResponse:
        """See the contract."""
        sentiment = _SENTIMENTS.get(request.feedback)
        if sentiment is None:
            raise InvalidArgument.field("feedback", "must be positive or negative", "string.in")
        submission = feedback_pb2.SubmitFeedbackRequest(
            sentiment=sentiment,
            rating=request.rating if request.HasField("rating") else None,
            comment=request.comment,
            categories=request.categories,
            request_id=request.request_id,
        )
        kept = await self._core.record_feedback(
            request.conversation_id, "conversationId", request.message_id, submission
        )
        return pb.RecordFeedbackResponse(status="recorded", feedback_id=kept.id, message=_THANKS)


def _context(value: pb.PortalContext) -> common_pb2.ChatContext:
    profile = MessageToDict(value.user_profile)
    platform = MessageToDict(value.platform_context)
    subscription = _mapping(profile.get("subscription"))
    return common_pb2.ChatContext(
        current_page=value.current_page,
        user_profile=common_pb2.UserProfile(
            name=_text(profile.get("name")),
            role=_text(profile.get("role")),
            subscription=common_pb2.Subscription(
                plan=_text(subscription.get("plan")),
                status=_text(subscription.get("status")),
                features=_texts(subscription.get("features")),
            ),
        ),
        platform_context=common_pb2.PlatformContext(
            active_features=_texts(platform.get("activeFeatures")),
            recent_alerts=[
                common_pb2.PlatformAlert(
                    **{key: _text(alert.get(key)) for key in ("id", "type", "severity", "message")}
                )
                for alert in map(_mapping, _items(platform.get("recentAlerts")))
            ],
            account_health=_text(_mapping(platform.get("accountStatus")).get("health")),
        ),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [item for item in _items(value) if isinstance(item, str)]


def _citation(value: common_pb2.Citation) -> pb.PortalCitation:
    return pb.PortalCitation(
        number=value.number,
        article_id=value.article_id,
        title=value.title,
        source_path=value.source_path,
        url=value.url,
        snippet=value.snippet,
        heading_path=value.heading_path,
        start_offset=value.start_offset,
        end_offset=value.end_offset,
        relevance=value.relevance,
    )


def _result(value: knowledge_pb2.KnowledgeResult) -> pb.PortalSearchResult:
    article = value.article
    return pb.PortalSearchResult(
        id=article.id,
        title=article.title,
        content=value.passages[0].text if value.passages else "",
        relevance_score=value.relevance,
        category=article.category,
        tags=article.tags,
        last_updated=article.update_time,
        url=article.url,
        source_path=article.source_path,
    )
