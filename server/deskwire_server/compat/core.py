"""Calls the services of `deskwire.v1` for the older paths, under the same rules as a direct call."""

from __future__ import annotations

from typing import Any

from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2, feedback_pb2, knowledge_pb2

from deskwire_server.auth.caller import Caller
from deskwire_server.chat.servicer import ChatServicer
from deskwire_server.compat import targets
from deskwire_server.conversations import convert
from deskwire_server.conversations.service import ConversationService
from deskwire_server.conversations.servicer import ConversationServicer
from deskwire_server.errors import NotFound
from deskwire_server.feedback.servicer import FeedbackServicer
from deskwire_server.intents.servicer import IntentServicer
from deskwire_server.knowledge.servicer import KnowledgeServicer
from deskwire_server.rpc import call as current
from deskwire_server.rpc.validation import check

_HISTORY = 200


class Core:
    """The core's servicers behind one door, with the checks that an interceptor makes for direct calls."""

    def __init__(
        self,
        chat: ChatServicer,
        conversations: ConversationServicer,
        knowledge: KnowledgeServicer,
        feedback: FeedbackServicer,
        intents: IntentServicer,
        conversation_service: ConversationService,
    ) -> None:
        self.chat = chat
        self.conversations = conversations
        self.knowledge = knowledge
        self.feedback = feedback
        self.intents = intents
        self._conversation_service = conversation_service

    @staticmethod
    def act_for(user_id: str, field: str) -> Caller:
        """Let a service account act for the user that a body names in `field`; for others the name only informs."""
        caller = current.current_caller().acting_for(user_id, field=field)
        current.replace_caller(caller)
        return caller

    async def ask(
        self, message: str, conversation: str, field: str, request_id: str, context: Any = None
    ) -> chat_pb2.ChatResponse:
        """Send a message to a conversation in either spelling and wait for the answer."""
        request = chat_pb2.ChatRequest(
            message=chat_pb2.UserMessage(text=message, request_id=request_id), context=context
        )
        self.aim(request, conversation, field)
        check(request)
        return await self.chat.Chat(request, None)

    async def search(self, request: knowledge_pb2.SearchKnowledgeRequest) -> knowledge_pb2.SearchKnowledgeResponse:
        """Find articles."""
        check(request)
        return await self.knowledge.SearchKnowledge(request, None)

    async def record_feedback(
        self, conversation: str, field: str, message_id: str, request: feedback_pb2.SubmitFeedbackRequest
    ) -> common_pb2.Feedback:
        """Keep `request` as feedback on an answer in a conversation in either spelling."""
        request.conversation_id = (await self.conversation(conversation, field)).id
        answer = targets.own_id(message_id)
        if answer is None:
            raise NotFound.of("message")
        request.message_id = str(answer)
        check(request)
        return (await self.feedback.SubmitFeedback(request, None)).feedback

    async def conversation(self, name: str, field: str) -> conversation_pb2.Conversation:
        """A conversation in either spelling."""
        found = await targets.find(self._conversation_service, current.current_caller(), name, field)
        return convert.conversation(found)

    async def history(self, conversation_id: str) -> list[Any]:
        """The latest messages of a conversation, oldest first."""
        request = conversation_pb2.ListMessagesRequest(
            conversation_id=conversation_id, page_size=_HISTORY, newest_first=True
        )
        page = await self.conversations.ListMessages(request, None)
        return list(reversed(page.messages))

    @staticmethod
    def aim(request: chat_pb2.ChatRequest | chat_pb2.SendMessageRequest, conversation: str, field: str) -> None:
        """Name the conversation of a request: ours by id, the portal's own names as sessions, a new one if empty."""
        known = targets.own_id(conversation)
        if known is not None:
            request.conversation_id = str(known)
        elif conversation:
            request.session_id = targets.session_of(conversation, field)
