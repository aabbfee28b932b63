"""SiteAssistantService: the older paths under `/api/chat`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
from deskwire.compat.v1 import site_pb2 as pb
from deskwire.compat.v1 import site_pb2_grpc
from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2, error_reason_pb2, event_pb2
from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict

from deskwire_server.compat.core import Core
from deskwire_server.rpc.validation import check

_CHANGEABLE = ("name", "email", "phone", "company", "title")


class SiteAssistantServicer(site_pb2_grpc.SiteAssistantServiceServicer):
    """Converts to the core's messages and back; decides nothing."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def StreamChat(
        self, request: pb.StreamChatRequest, context: Any
    ) -> AsyncGenerator[pb.StreamChatResponse, None]:
        """See the contract."""
        options = common_pb2.AnswerOptions(
            include_history=request.include_context if request.HasField("include_context") else None,
            max_history_messages=request.max_context_messages if request.HasField("max_context_messages") else None,
        )
        core_request = chat_pb2.SendMessageRequest(
            message=chat_pb2.UserMessage(text=request.message, request_id=request.request_id, options=options)
        )
        self._core.aim(core_request, request.conversation_id, "conversationId")
        check(core_request)
        given, ended = _Given(), False
        async with aclosing(self._core.chat.SendMessage(core_request, None)) as responses:
            async for response in responses:
                for piece in given.convert(response.event):
                    ended = piece.type in ("done", "error")
                    yield piece
        if not ended:
            yield _error("the stream ended early; send the same request id again")

    async def CreateConversation(
        self, request: pb.SiteAssistantServiceCreateConversationRequest, context: Any
    ) -> pb.SiteAssistantServiceCreateConversationResponse:
        """See the contract."""
        new = conversation_pb2.Conversation(visitor_id=request.visitor_id, metadata=_metadata(request.metadata))
        if request.session_id:
            by_session = conversation_pb2.GetOrCreateConversationRequest(
                session_id=request.session_id, conversation=new
            )
            check(by_session)
            made = (await self._core.conversations.GetOrCreateConversation(by_session, None)).conversation
        else:
            creation = conversation_pb2.CreateConversationRequest(conversation=new)
            check(creation)
            made = (await self._core.conversations.CreateConversation(creation, None)).conversation
        return pb.SiteAssistantServiceCreateConversationResponse(success=True, data=_data(made))

    async def GetConversation(
        self, request: pb.SiteAssistantServiceGetConversationRequest, context: Any
    ) -> pb.SiteAssistantServiceGetConversationResponse:
        """See the contract."""
        found = await self._core.conversation(request.id, "id")
        data = _data(found)
        data.conversation.messages.extend(_message(each) for each in await self._core.history(found.id))
        return pb.SiteAssistantServiceGetConversationResponse(success=True, data=data)

    async def UpdateConversation(
        self, request: pb.SiteAssistantServiceUpdateConversationRequest, context: Any
    ) -> pb.SiteAssistantServiceUpdateConversationResponse:
        """See the contract."""
        found = await self._core.conversation(request.id, "id")
        changes = conversation_pb2.UpdateConversationRequest(
            conversation=conversation_pb2.Conversation(id=found.id, tags=request.tags)
        )
        for field, value in request.ListFields():
            if field.name in _CHANGEABLE:
                setattr(changes.conversation, field.name, value)
                changes.update_mask.paths.append(field.name)
        if request.tags:
            changes.update_mask.paths.append("tags")
        if changes.update_mask.paths:
            check(changes)
            found = (await self._core.conversations.UpdateConversation(changes, None)).conversation
        return pb.SiteAssistantServiceUpdateConversationResponse(success=True, data=_data(found))


class _Given:
    """What a stream has given: a new attempt voids the text of the old one."""

    def __init__(self) -> None:
        self._attempt = 0
        self._has_text = False

    def convert(self, event: event_pb2.ConversationEvent) -> list[pb.StreamChatResponse]:
        kind = event.WhichOneof("event")
        if kind == "text_delta":
            pieces = []
            if self._has_text and event.text_delta.attempt > self._attempt:
                pieces.append(pb.StreamChatResponse(type="replace"))
            self._attempt, self._has_text = event.text_delta.attempt, True
            return [*pieces, pb.StreamChatResponse(type="content", text=event.text_delta.text)]
        if kind == "message_completed":
            whole = event.message_completed.message
            # A repeat joins an answer that is complete: its text was not streamed again.
            text = [] if self._has_text else [pb.StreamChatResponse(type="content", text=whole.text)]
            return [*text, _done(whole)]
        if kind == "turn_failed":
            return [_error(event.turn_failed.message or error_reason_pb2.ErrorReason.Name(event.turn_failed.reason))]
        if kind == "turn_cancelled":
            return [_error("the answer was cancelled")]
        return []


def _done(message: common_pb2.Message) -> pb.StreamChatResponse:
    details = message.answer
    return pb.StreamChatResponse(
        type="done",
        conversation_id=message.conversation_id,
        message_id=message.id,
        usage=pb.SiteUsage(input_tokens=details.usage.input_tokens, output_tokens=details.usage.output_tokens),
        finish_reason=_finish_reason(details.finish_reason),
        citations=[
            pb.SiteCitation(number=each.number, title=each.title, source_path=each.source_path, url=each.url)
            for each in details.citations
        ],
    )


def _error(message: str) -> pb.StreamChatResponse:
    return pb.StreamChatResponse(type="error", error=message)


def _finish_reason(value: common_pb2.FinishReason.ValueType) -> str:
    return common_pb2.FinishReason.Name(value).removeprefix("FINISH_REASON_").lower()


def _data(value: conversation_pb2.Conversation) -> pb.SiteConversationData:
    return pb.SiteConversationData(
        conversation=pb.SiteConversation(
            id=value.id,
            session_id=value.session_id,
            visitor_id=value.visitor_id,
            status=conversation_pb2.ConversationStatus.Name(value.status).removeprefix("CONVERSATION_STATUS_"),
            started_at=value.create_time,
            updated_at=value.update_time,
            ended_at=value.end_time if value.HasField("end_time") else None,
            name=value.name,
            email=value.email,
            phone=value.phone,
            company=value.company,
            title=value.title,
            tags=value.tags,
            metadata=value.metadata,
        )
    )


def _message(value: common_pb2.Message) -> pb.SiteMessage:
    answered = value.HasField("answer")
    return pb.SiteMessage(
        id=value.id,
        role=common_pb2.MessageRole.Name(value.role).removeprefix("MESSAGE_ROLE_").lower(),
        content=value.text,
        created_at=value.create_time,
        model=value.answer.model,
        tokens=value.answer.usage.total_tokens,
        finish_reason=_finish_reason(value.answer.finish_reason) if answered else "",
    )


def _metadata(value: struct_pb2.Struct) -> dict[str, str]:
    """Free-form metadata as text; what is no text is written as JSON."""
    return {
        key: item if isinstance(item, str) else orjson.dumps(item).decode()
        for key, item in MessageToDict(value).items()
    }
