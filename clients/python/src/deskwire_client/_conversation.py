"""One conversation: sending, watching, cancelling, and its messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2
from deskwire.v1.chat_pb2_grpc import ChatServiceStub
from deskwire.v1.conversation_pb2_grpc import ConversationServiceStub

from deskwire_client import _convert
from deskwire_client._calls import Caller, new_request_id
from deskwire_client._fold import Folder
from deskwire_client._stream import Call, EventStream, StateCallback
from deskwire_client.errors import AnswerCancelledError, AnswerFailedError, UnavailableError
from deskwire_client.events import Accepted, Cancelled, Completed, Event, Failed, Missed, RegenerationAccepted, Status
from deskwire_client.models import ConversationInfo, Message, WhileAnswering

ContextInput = Mapping[str, Any] | common_pb2.ChatContext | None
"""A `ChatContext` or its JSON form: `{"current_page": "/billing", "user_profile": {"name": "Ana"}}`."""
NewConversationInput = Mapping[str, Any] | conversation_pb2.Conversation | None
"""Fields of a conversation that does not exist yet: `{"title": "…", "metadata": {"source": "mail"}}`."""


@dataclass(frozen=True)
class AnswerOptions:
    """How an answer shall be made. None leaves it to the server."""

    provider: str = ""
    model: str = ""
    temperature: float | None = None
    """0 to 2."""
    max_tokens: int | None = None
    include_history: bool | None = None
    max_history_messages: int | None = None
    """0 to 50."""

    def to_proto(self) -> common_pb2.AnswerOptions:
        """The contract's message."""
        return common_pb2.AnswerOptions(**{name: value for name, value in vars(self).items() if value is not None})


def user_message(
    text: str,
    request_id: str,
    while_answering: WhileAnswering | None,
    options: AnswerOptions | None,
    replaces_message_id: str = "",
) -> chat_pb2.UserMessage:
    """The contract's message for a question."""
    message = chat_pb2.UserMessage(
        text=text,
        request_id=request_id,
        while_answering=_convert.while_answering(while_answering),
        replaces_message_id=replaces_message_id,
    )
    if options is not None:
        message.options.CopyFrom(options.to_proto())
    return message


@dataclass(frozen=True)
class Target:
    """Which conversation is meant: by id, by session, or a new one."""

    conversation_id: str | None = None
    session_id: str | None = None
    new: NewConversationInput = None

    def __post_init__(self) -> None:
        if self.conversation_id and self.session_id:
            raise ValueError("give either id or session, not both")

    def fields(self) -> dict[str, Any]:
        """Arguments of a request's `target`."""
        if self.conversation_id:
            return {"conversation_id": self.conversation_id}
        if self.session_id:
            return {"session_id": self.session_id}
        return {"new_conversation": _convert.proto_of(conversation_pb2.Conversation, self.new)}


def accepted_request(event: Event) -> str | None:
    """The request id of an event that brings a turn in, None for any other event."""
    if isinstance(event, Accepted):
        return event.message.request_id
    return event.request_id if isinstance(event, RegenerationAccepted) else None


class _TurnOf:
    """Tells events of one question from those of others in the same conversation."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._turn_id = ""

    def has(self, event: Event) -> bool:
        """Whether an event belongs to the question. Ask in the order of the stream."""
        if accepted_request(event) == self._request_id:
            self._turn_id = event.turn_id
        if isinstance(event, Status | Missed):
            return False
        return not event.turn_id or not self._turn_id or event.turn_id == self._turn_id

    def ends_with(self, event: Event) -> bool:
        """Whether an event is the question's last one."""
        return isinstance(event, Completed | Failed | Cancelled) and self.has(event)


class Answer(AsyncIterator[Event]):
    """The events of one question, as an iterator that ends with `Completed`, `Failed` or `Cancelled`.

    Reconnects by itself and hands each event on once. Leaving the loop early leaves the turn running on the server;
    `cancel` stops it. Use it in `async with` to close the connection at a certain point.
    """

    def __init__(self, request_id: str, events: AsyncGenerator[Event, None], cancel: Callable[[str], Any]) -> None:
        self.request_id = request_id
        """Repeats with this id join the same turn."""
        self.turn_id = ""
        """The turn; empty until the question was accepted."""
        self._events = events
        self._cancel = cancel

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await anext(self._events)
        if isinstance(event, Accepted | RegenerationAccepted):
            self.turn_id = event.turn_id
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop listening."""
        await self._events.aclose()

    async def cancel(self) -> bool:
        """Stop the turn on the server. Returns whether this call is what stopped it. Raises DeskwireError."""
        return bool(await self._cancel(self.turn_id))

    async def message(self) -> Message:
        """Wait for the whole answer.

        Raises AnswerFailedError or AnswerCancelledError when the turn ended without one, DeskwireError when the call
        could not be made or resumed.
        """
        async for event in self:
            if isinstance(event, Completed):
                await self.aclose()
                return event.message
            if isinstance(event, Failed):
                raise AnswerFailedError(
                    event.message, reason=event.reason, retryable=event.retryable, partial_message=event.partial_message
                )
            if isinstance(event, Cancelled):
                raise AnswerCancelledError(
                    "the answer was stopped", reason=event.reason, partial_message=event.partial_message
                )
        raise UnavailableError("the events of this answer were read already")


class Conversation:
    """A conversation, existing or to be created by its first message. Made by `DeskwireClient.conversation`."""

    def __init__(
        self,
        caller: Caller,
        target: Target,
        *,
        context: ContextInput,
        options: AnswerOptions | None,
        idle_timeout: float,
        state: StateCallback | None,
    ) -> None:
        self._caller = caller
        self._target = target
        self._context = _convert.proto_of(common_pb2.ChatContext, context)
        self._options = options
        self._idle_timeout = idle_timeout
        self._state = state
        self._chat = ChatServiceStub(caller.channel)
        self._conversations = ConversationServiceStub(caller.channel)

    @property
    def id(self) -> str | None:
        """Its id; None until the first message or `open` made it known."""
        return self._target.conversation_id

    async def open(self) -> str:
        """Make sure that the conversation exists. Returns its id. Raises DeskwireError."""
        target = self._target
        if target.conversation_id:
            return target.conversation_id
        fields = _convert.proto_of(conversation_pb2.Conversation, target.new)
        if target.session_id:
            found = await self._caller.unary(
                self._conversations.GetOrCreateConversation,
                conversation_pb2.GetOrCreateConversationRequest(session_id=target.session_id, conversation=fields),
            )
            return self._known(found.conversation.id)
        created = await self._caller.unary(
            self._conversations.CreateConversation,
            conversation_pb2.CreateConversationRequest(conversation=fields, request_id=new_request_id()),
        )
        return self._known(created.conversation.id)

    def _known(self, conversation_id: str) -> str:
        self._target = Target(conversation_id=conversation_id)
        return conversation_id

    def send(
        self,
        text: str,
        *,
        request_id: str | None = None,
        while_answering: WhileAnswering | None = None,
        options: AnswerOptions | None = None,
        replaces_message_id: str = "",
    ) -> Answer:
        """Ask. Nothing is sent until the answer is iterated.

        With the `request_id` of an earlier question the answer joins its turn, running or done. With the id of an
        earlier question in `replaces_message_id` this one takes its place, on a branch of its own; the earlier one is
        kept. Iterating raises DeskwireError when the question is refused, and when the server stays away for longer
        than the policy says.
        """
        key = request_id or new_request_id()
        request = chat_pb2.SendMessageRequest(
            message=user_message(text, key, while_answering, options or self._options, replaces_message_id),
            context=self._context,
            bundle_events=True,
            **self._target.fields(),
        )
        return Answer(key, self._events_of(self._chat.SendMessage, request, key), self.cancel)

    def regenerate(
        self,
        message_id: str,
        *,
        request_id: str | None = None,
        while_answering: WhileAnswering | None = None,
        options: AnswerOptions | None = None,
    ) -> Answer:
        """Answer once more the question `message_id`, or the one of the answer `message_id`. Both answers are kept.

        As with `send`, nothing is sent until the answer is iterated. Raises ValueError in a conversation without an id.
        """
        if not self._target.conversation_id:
            raise ValueError("nothing was said in this conversation yet")
        key = request_id or new_request_id()
        request = chat_pb2.RegenerateAnswerRequest(
            conversation_id=self._target.conversation_id,
            message_id=message_id,
            request_id=key,
            while_answering=_convert.while_answering(while_answering),
            context=self._context,
            bundle_events=True,
        )
        if options or self._options:
            request.options.CopyFrom((options or self._options or AnswerOptions()).to_proto())
        return Answer(key, self._events_of(self._chat.RegenerateAnswer, request, key), self.cancel)

    async def _events_of(
        self, method: Any, request: chat_pb2.SendMessageRequest | chat_pb2.RegenerateAnswerRequest, request_id: str
    ) -> AsyncGenerator[Event, None]:
        folder = Folder()

        async def connect(folder: Folder) -> Call:
            # Target and text stay as they were first sent, since a request id belongs to one body.
            if folder.cursor is not None:
                request.after_sequence = folder.cursor
            call: Call = method(request, metadata=await self._caller.metadata())
            return call

        turn = _TurnOf(request_id)
        stream = EventStream(
            self._caller,
            connect,
            folder=folder,
            idle_timeout=self._idle_timeout,
            on_state=self._state,
            is_last=turn.ends_with,
        )
        events = stream.events()
        try:
            async for event in events:
                if folder.conversation_id and not self._target.conversation_id:
                    self._known(folder.conversation_id)
                if turn.has(event):
                    yield event
        finally:
            await events.aclose()

    async def ask(self, text: str, **options: Any) -> Message:
        """Ask and wait for the whole answer; arguments as for `send`. Raises as `Answer.message` does."""
        return await self.send(text, **options).message()

    async def watch(self, *, after_sequence: int | None = None) -> AsyncGenerator[Event, None]:
        """Everything that happens in the conversation, from any device, until the caller stops iterating.

        `after_sequence` gives what happened after that event first, 0 all of it, None only what is coming.
        """
        conversation_id = await self.open()

        async def connect(folder: Folder) -> Call:
            request = chat_pb2.WatchConversationRequest(
                conversation_id=conversation_id, after_sequence=folder.resume_after, bundle_events=True
            )
            return self._chat.WatchConversation(request, metadata=await self._caller.metadata())

        stream = EventStream(
            self._caller, connect, folder=Folder(after_sequence), idle_timeout=self._idle_timeout, on_state=self._state
        )
        events = stream.events()
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    async def cancel(self, turn_id: str = "") -> bool:
        """Stop the running turn, or the one named. Returns whether this call stopped it. Raises DeskwireError."""
        if not self._target.conversation_id:
            return False
        answer = await self._caller.unary(
            self._chat.CancelTurn,
            chat_pb2.CancelTurnRequest(
                conversation_id=self._target.conversation_id, turn_id=turn_id, request_id=new_request_id()
            ),
        )
        return answer.cancelled

    async def messages(self, *, newest_first: bool = False, all_branches: bool = False) -> AsyncIterator[Message]:
        """Messages of its active branch, or of all, oldest first, page by page as they are needed.

        Raises DeskwireError.
        """
        request = conversation_pb2.ListMessagesRequest(
            conversation_id=await self.open(), page_size=100, newest_first=newest_first, all_branches=all_branches
        )
        while True:
            page = await self._caller.unary(self._conversations.ListMessages, request)
            for value in page.messages:
                yield _convert.message(value)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def select_branch(self, message_id: str, *, request_id: str | None = None) -> ConversationInfo:
        """Make the newest branch through a message the active one: later questions continue it.

        Raises NotFoundError, and FailedPreconditionError `ANSWER_RUNNING` while an answer runs or waits.
        """
        request = conversation_pb2.SelectBranchRequest(
            conversation_id=await self.open(), message_id=message_id, request_id=request_id or new_request_id()
        )
        answer = await self._caller.unary(self._conversations.SelectBranch, request)
        return _convert.conversation(answer.conversation)

    def with_options(self, options: AnswerOptions | None = None, context: ContextInput = None) -> Conversation:
        """The same conversation with other defaults for options and context."""
        return Conversation(
            self._caller,
            replace(self._target),
            context=self._context if context is None else context,
            options=options or self._options,
            idle_timeout=self._idle_timeout,
            state=self._state,
        )
