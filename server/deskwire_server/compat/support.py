"""SupportAssistantService: the older paths under `/api/v1`."""

from __future__ import annotations

from typing import Any

from deskwire.compat.v1 import support_pb2 as pb
from deskwire.compat.v1 import support_pb2_grpc
from deskwire.v1 import common_pb2, conversation_pb2

from deskwire_server import __version__
from deskwire_server.compat.core import Core
from deskwire_server.conversations import convert
from deskwire_server.errors import Unavailable
from deskwire_server.health.service import HealthService


class SupportAssistantServicer(support_pb2_grpc.SupportAssistantServiceServicer):
    """Converts to the core's messages and back; decides nothing."""

    def __init__(self, core: Core, health: HealthService, provider: str) -> None:
        self._core = core
        self._health = health
        self._provider = provider

    async def Chat(
        self, request: pb.SupportAssistantServiceChatRequest, context: Any
    ) -> pb.SupportAssistantServiceChatResponse:
        """See the contract."""
        self._core.act_for(request.user_id, "user_id")
        answered = await self._core.ask(request.message, request.conversation_id, "conversation_id", request.request_id)
        message, details = answered.message, answered.message.answer
        return pb.SupportAssistantServiceChatResponse(
            response=message.text,
            message=message.text,
            conversation_id=request.conversation_id or answered.conversation_id,
            message_id=message.id,
            provider=details.provider,
            model=details.model,
            tokens_used=details.usage.total_tokens,
            confidence=details.confidence,
            intent=details.intent,
            timestamp=message.create_time,
            citations=[
                pb.SupportCitation(number=each.number, title=each.title, source_path=each.source_path, url=each.url)
                for each in details.citations
            ],
        )

    async def GetConversation(
        self, request: pb.SupportAssistantServiceGetConversationRequest, context: Any
    ) -> pb.SupportAssistantServiceGetConversationResponse:
        """See the contract."""
        found = await self._core.conversation(request.conversation_id, "conversation_id")
        status = conversation_pb2.ConversationStatus.Name(found.status)
        return pb.SupportAssistantServiceGetConversationResponse(
            conversation_id=found.id,
            user_id=found.user_id,
            status=status.removeprefix("CONVERSATION_STATUS_").lower(),
            created_at=found.create_time,
            updated_at=found.update_time,
            messages=[_message(each) for each in await self._core.history(found.id)],
        )

    async def GetHealth(self, request: pb.GetHealthRequest, context: Any) -> pb.GetHealthResponse:
        """See the contract."""
        report = self._health.report()
        if not report.ready:
            raise Unavailable("the service can't answer right now", retry_after=1.0, metadata=dict(report.checks))
        return pb.GetHealthResponse(
            status="degraded" if report.degraded else "healthy",
            version=__version__,
            provider=self._provider,
            checks=report.checks,
            timestamp=convert.now(),
        )


def _message(value: common_pb2.Message) -> pb.SupportMessage:
    return pb.SupportMessage(
        id=value.id,
        role=common_pb2.MessageRole.Name(value.role).removeprefix("MESSAGE_ROLE_").lower(),
        content=value.text,
        timestamp=value.create_time,
        model=value.answer.model,
        tokens_used=value.answer.usage.total_tokens,
        confidence=value.answer.confidence,
    )
