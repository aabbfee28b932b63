"""A chat over one bidirectional stream that outlives its connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Any, Self

import grpc.aio
from deskwire.v1 import chat_pb2, common_pb2
from deskwire.v1.chat_pb2_grpc import ChatServiceStub
from google.protobuf.timestamp_pb2 import Timestamp

from deskwire_client import _convert
from deskwire_client._calls import Caller, new_request_id
from deskwire_client._conversation import Answer, AnswerOptions, ContextInput, Target, accepted_request, user_message
from deskwire_client._fold import Folder
from deskwire_client._stream import Call, EventStream, StateCallback, StreamState
from deskwire_client.errors import DeskwireError, UnavailableError
from deskwire_client.events import Cancelled, Completed, Event, Failed, Status
from deskwire_client.models import WhileAnswering

_LONGEST_CLOSE = 5.0
"""Seconds that the server gets to end the stream in good order."""

_Item = Event | DeskwireError | None
"""An event, why the stream is over for good, or None at its proper end."""


class _Listener:
    """Takes what a reader wants to hear: everything, or the turn of one request."""

    def __init__(self, request_id: str | None = None) -> None:
        self.queue: asyncio.Queue[_Item] = asyncio.Queue()
        self._request_id = request_id
        self._turn_id = ""

    def hear(self, item: _Item) -> bool:
        """Take an item if it is wanted. Returns whether nothing more will be."""
        if self._request_id is None or item is None or isinstance(item, DeskwireError):
            self.queue.put_nowait(item)
            return item is None or isinstance(item, DeskwireError)
        if accepted_request(item) == self._request_id:
            self._turn_id = item.turn_id
        if not self._turn_id or item.turn_id != self._turn_id:
            return False
        self.queue.put_nowait(item)
        return isinstance(item, Completed | Failed | Cancelled)


class Chat:
    """A conversation over one stream: many questions, typing notices, and what other devices do.

    Made by `DeskwireClient.converse`; use it in `async with`. A lost connection is resumed by itself: questions that
    the server has not accepted are sent again with their request ids, events are handed on once.
    """

    def __init__(
        self,
        caller: Caller,
        target: Target,
        *,
        context: ContextInput,
        options: AnswerOptions | None,
        after_sequence: int | None,
        idle_timeout: float,
        state: StateCallback | None,
    ) -> None:
        self._caller = caller
        self._target = target
        self._context = _convert.proto_of(common_pb2.ChatContext, context)
        self._options = options
        self._state = state
        self._stub = ChatServiceStub(caller.channel)
        self._pending: dict[str, chat_pb2.ConverseRequest] = {}
        self._listeners: set[_Listener] = set()
        self._requests: asyncio.Queue[chat_pb2.ConverseRequest] | None = None
        self._connected = asyncio.Event()
        self._closing = False
        self._over: _Item = None
        self._is_over = False
        self._pump: asyncio.Task[None] | None = None
        self._stream = EventStream(
            caller,
            self._connect,
            folder=Folder(after_sequence),
            idle_timeout=idle_timeout,
            on_state=self._on_state,
            ends_cleanly=lambda: self._closing,
        )

    @property
    def id(self) -> str | None:
        """The conversation's id; None until the stream has connected for the first time."""
        return self._target.conversation_id

    async def __aenter__(self) -> Self:
        self._pump = asyncio.create_task(self._run(), name="deskwire-chat")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def ready(self) -> None:
        """Wait until the stream has connected. Raises DeskwireError when it can't be had."""
        waiting = asyncio.ensure_future(self._connected.wait())
        pump = self._running_pump()
        try:
            await asyncio.wait({waiting, pump}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if isinstance(self._over, DeskwireError):
            raise self._over

    def send(
        self,
        text: str,
        *,
        request_id: str | None = None,
        while_answering: WhileAnswering | None = None,
        options: AnswerOptions | None = None,
        replaces_message_id: str = "",
    ) -> Answer:
        """Ask, at once. The answer's events come by iterating it, and also by `events`.

        With `replaces_message_id` the question takes the place of that one, as in `Conversation.send`.
        """
        key = request_id or new_request_id()
        message = user_message(text, key, while_answering, options or self._options, replaces_message_id)
        return self._ask(key, chat_pb2.ConverseRequest(message=message))

    def regenerate(
        self,
        message_id: str,
        *,
        request_id: str | None = None,
        while_answering: WhileAnswering | None = None,
        options: AnswerOptions | None = None,
    ) -> Answer:
        """Answer the question `message_id`, or the one of that answer, once more, at once. Both answers are kept."""
        key = request_id or new_request_id()
        again = chat_pb2.Regeneration(
            message_id=message_id, request_id=key, while_answering=_convert.while_answering(while_answering)
        )
        if options or self._options:
            again.options.CopyFrom((options or self._options or AnswerOptions()).to_proto())
        return self._ask(key, chat_pb2.ConverseRequest(regenerate=again))

    def _ask(self, key: str, request: chat_pb2.ConverseRequest) -> Answer:
        self._running_pump()
        listener = _Listener(request_id=key)
        self._listeners.add(listener)
        self._pending[key] = request
        if self._connected.is_set():
            self._write(request)
        if self._is_over:
            listener.hear(self._over)
        return Answer(key, self._events_of(listener), self._cancel)

    async def _events_of(self, listener: _Listener) -> AsyncGenerator[Event, None]:
        try:
            while True:
                item = await listener.queue.get()
                if item is None:
                    raise UnavailableError("the chat was closed before the answer was whole")
                if isinstance(item, DeskwireError):
                    raise item
                yield item
                if isinstance(item, Completed | Failed | Cancelled):
                    return
        finally:
            self._listeners.discard(listener)

    async def events(self) -> AsyncIterator[Event]:
        """Everything from now on, other devices' turns and connection states too. Raises DeskwireError."""
        listener = _Listener()
        self._listeners.add(listener)
        if self._is_over:
            listener.hear(self._over)
        try:
            while (item := await listener.queue.get()) is not None:
                if isinstance(item, DeskwireError):
                    raise item
                yield item
        finally:
            self._listeners.discard(listener)

    async def cancel(self) -> None:
        """Stop the running answer. Raises DeskwireError where that takes a call of its own."""
        await self._cancel("")

    async def _cancel(self, turn_id: str) -> bool:
        if self._connected.is_set() and not turn_id:
            # On the stream it keeps its place behind a question that was sent before it.
            self._write(chat_pb2.ConverseRequest(cancel=chat_pb2.CancelRunningTurn(turn_id=turn_id)))
            return True
        if not self._target.conversation_id:
            return False
        request = chat_pb2.CancelTurnRequest(
            conversation_id=self._target.conversation_id, turn_id=turn_id, request_id=new_request_id()
        )
        return (await self._caller.unary(self._stub.CancelTurn, request)).cancelled

    def typing(self, is_typing: bool) -> None:
        """Tell others that the person types, or stopped. Lost when the stream is not connected."""
        if self._connected.is_set():
            self._write(chat_pb2.ConverseRequest(typing=chat_pb2.TypingNotice(is_typing=is_typing)))

    def ping(self) -> None:
        """Ask for a `Status` event. Lost when the stream is not connected."""
        if self._connected.is_set():
            self._write(chat_pb2.ConverseRequest(ping=chat_pb2.Ping(client_time=_now())))

    async def close(self) -> None:
        """End the stream in good order; the conversation stays open. A running answer is finished by the server."""
        pump, self._pump = self._pump, None
        if pump is None:
            return
        self._closing = True
        if self._connected.is_set():
            self._write(chat_pb2.ConverseRequest(close=chat_pb2.CloseConversationStream()))
            await asyncio.wait({pump}, timeout=_LONGEST_CLOSE)
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pump

    def _running_pump(self) -> asyncio.Task[None]:
        if self._pump is None:
            raise RuntimeError("use a chat inside of `async with`")
        return self._pump

    def _write(self, request: chat_pb2.ConverseRequest) -> None:
        if self._requests is not None:
            self._requests.put_nowait(request)

    async def _connect(self, folder: Folder) -> Call:
        self._connected.clear()
        opening = chat_pb2.OpenConversation(
            context=self._context,
            client_time=_now(),
            after_sequence=folder.resume_after,
            bundle_events=True,
            **self._target.fields(),
        )
        # A queue for each call: requests that a dead call did not take must not reach the next one.
        self._requests = asyncio.Queue()
        self._write(chat_pb2.ConverseRequest(open=opening))
        call = self._stub.Converse(metadata=await self._caller.metadata())
        return _Duplex(call, self._requests)

    async def _run(self) -> None:
        events = self._stream.events()
        over: _Item = None
        try:
            async for event in events:
                if isinstance(event, Status):
                    self._on_status(event)
                elif (request_id := accepted_request(event)) is not None:
                    self._pending.pop(request_id, None)
                self._tell(event)
        except DeskwireError as error:
            over = error
        finally:
            await events.aclose()
            self._connected.clear()
            self._over, self._is_over = over, True
            self._tell(over)

    def _on_status(self, event: Status) -> None:
        conversation_id = event.conversation_id or (event.conversation.id if event.conversation else "")
        if conversation_id:
            self._target = Target(conversation_id=conversation_id)
        if self._connected.is_set():
            return
        # Only now: until the conversation is known, a question sent again could land in another one.
        self._connected.set()
        for request in self._pending.values():
            self._write(request)

    def _on_state(self, state: StreamState) -> None:
        if state is not StreamState.CONNECTED:
            self._connected.clear()
        if self._state is not None:
            self._state(state)

    def _tell(self, item: _Item) -> None:
        for listener in list(self._listeners):
            if listener.hear(item):
                self._listeners.discard(listener)


class _Duplex:
    """One bidirectional call with a task that writes what is queued. `cancel` ends both."""

    def __init__(self, call: Any, queue: asyncio.Queue[chat_pb2.ConverseRequest]) -> None:
        self._call = call
        self._writer = asyncio.create_task(_write(call, queue), name="deskwire-chat-writer")

    async def read(self) -> Any:
        """The next response, EOF at the end. Raises the call's own error."""
        return await self._call.read()

    def cancel(self) -> None:
        """End the call unless it has ended."""
        self._writer.cancel()
        self._call.cancel()


async def _write(call: Any, queue: asyncio.Queue[chat_pb2.ConverseRequest]) -> None:
    """Write requests as they come, until `close`."""
    try:
        while True:
            request = await queue.get()
            await call.write(request)
            if request.HasField("close"):
                await call.done_writing()
                return
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        # The call has ended. Its reader gets the true status, which an error of a write hides.
        return


def _now() -> Timestamp:
    value = Timestamp()
    value.GetCurrentTime()
    return value
