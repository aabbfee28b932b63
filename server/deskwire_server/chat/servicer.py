"""ChatService of the contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar
from uuid import UUID

from deskwire.v1 import chat_pb2 as pb
from deskwire.v1 import chat_pb2_grpc

from deskwire_server.auth.caller import Caller
from deskwire_server.chat import convert
from deskwire_server.chat.converse import Converse
from deskwire_server.chat.service import ChatService
from deskwire_server.conversations import convert as conversations_convert
from deskwire_server.conversations.service import ConversationService
from deskwire_server.rpc.call import current_caller
from deskwire_server.turns.models import Accepted

_Response = TypeVar("_Response", pb.SendMessageResponse, pb.RegenerateAnswerResponse)


class ChatServicer(chat_pb2_grpc.ChatServiceServicer):
    """Converts, calls the service once, converts back."""

    def __init__(
        self,
        service: ChatService,
        conversations: ConversationService,
        *,
        degraded: Callable[[], list[str]],
        provider: str,
    ) -> None:
        self._service = service
        self._conversations = conversations
        self._degraded = degraded
        self._provider = provider

    async def Converse(
        self, request_iterator: AsyncIterator[pb.ConverseRequest], context: Any
    ) -> AsyncGenerator[pb.ConverseResponse, None]:
        """See the contract."""
        stream = Converse(self._service, self._conversations, current_caller(), self._converter)
        async with aclosing(stream.responses(request_iterator)) as responses:
            async for response in responses:
                yield response

    async def SendMessage(
        self, request: pb.SendMessageRequest, context: Any
    ) -> AsyncGenerator[pb.SendMessageResponse, None]:
        """See the contract."""
        caller = current_caller()
        command = convert.command(convert.target(request), request.message, request.context, convert.after(request))
        accepted = await self._service.send(caller, command)
        turn = self._turn(caller, accepted, command.after, pb.SendMessageResponse, request.bundle_events)
        async with aclosing(turn) as responses:
            async for response in responses:
                yield response

    async def RegenerateAnswer(
        self, request: pb.RegenerateAnswerRequest, context: Any
    ) -> AsyncGenerator[pb.RegenerateAnswerResponse, None]:
        """See the contract."""
        caller = current_caller()
        command = convert.regeneration(UUID(request.conversation_id), request, request.context, convert.after(request))
        accepted = await self._service.regenerate(caller, command)
        turn = self._turn(caller, accepted, command.after, pb.RegenerateAnswerResponse, request.bundle_events)
        async with aclosing(turn) as responses:
            async for response in responses:
                yield response

    async def Chat(self, request: pb.ChatRequest, context: Any) -> pb.ChatResponse:
        """See the contract."""
        command = convert.command(convert.target(request), request.message, request.context)
        answered = await self._service.ask(current_caller(), command)
        return pb.ChatResponse(
            conversation_id=str(answered.conversation_id),
            message=conversations_convert.message_from_json(answered.answer),
            user_message=conversations_convert.message_from_json(answered.question),
        )

    async def WatchConversation(
        self, request: pb.WatchConversationRequest, context: Any
    ) -> AsyncGenerator[pb.WatchConversationResponse, None]:
        """See the contract."""
        conversation_id = UUID(request.conversation_id)
        converter = self._converter(conversation_id)
        bundled = request.bundle_events
        watch = self._service.watch(
            current_caller(), conversation_id, after=convert.after(request), together=convert.together(bundled)
        )
        async with aclosing(watch) as watching:
            async for events in watching:
                for response in convert.responses(pb.WatchConversationResponse, converter, events, bundled=bundled):
                    yield response

    async def CancelTurn(self, request: pb.CancelTurnRequest, context: Any) -> pb.CancelTurnResponse:
        """See the contract."""
        turn_id = UUID(request.turn_id) if request.turn_id else None
        stopped, cancelled = await self._service.cancel(current_caller(), UUID(request.conversation_id), turn_id)
        return pb.CancelTurnResponse(turn_id=str(stopped or ""), cancelled=cancelled)

    async def _turn(
        self, caller: Caller, accepted: Accepted, after: int | None, make: Callable[[], _Response], bundled: bool
    ) -> AsyncGenerator[_Response, None]:
        """The events of one turn, from its first one unless the caller names a cursor."""
        converter, ours = self._converter(accepted.conversation_id), (None, accepted.turn_id)
        begin = accepted.first_sequence - 1 if after is None else after
        with self._service.subscribe(accepted.conversation_id) as subscription:
            following = self._service.follow(
                caller,
                accepted.conversation_id,
                subscription,
                after=begin,
                until={accepted.turn_id},
                opening=accepted.opening if after is None else None,
                together=convert.together(bundled),
            )
            async with aclosing(following):
                async for events in following:
                    told = [event for event in events if getattr(event, "turn_id", None) in ours]
                    for response in convert.responses(make, converter, told, bundled=bundled):
                        yield response

    def _converter(self, conversation_id: UUID) -> convert.EventConverter:
        return convert.EventConverter(conversation_id, degraded=self._degraded, provider=self._provider)
