"""One `Converse` stream: reads what the client says while it gives the conversation's events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from uuid import UUID

from deskwire.v1 import chat_pb2 as pb
from google.protobuf import timestamp_pb2

from deskwire_server.auth.caller import Caller
from deskwire_server.chat import convert
from deskwire_server.chat.cursor import cursor_ahead
from deskwire_server.chat.service import ChatService
from deskwire_server.chat.tail import OpenTurns
from deskwire_server.conversations.service import ConversationService
from deskwire_server.errors import FailedPrecondition, NotFound
from deskwire_server.turns.hub import Closing, Subscription, Wake
from deskwire_server.turns.models import Accepted, Connected, Target, TypingChanged

_LINGER = 0.2
"""How long a closed stream that waits for no turn stays open, in seconds: whoever talks on after `close` is told."""


class Converse:
    """The order of a stream: open, then messages, cancellations, notices and pings, then close."""

    def __init__(
        self,
        service: ChatService,
        conversations: ConversationService,
        caller: Caller,
        converter: Callable[[UUID], convert.EventConverter],
    ) -> None:
        self._service = service
        self._conversations = conversations
        self._caller = caller
        self._converter = converter
        self._turns = OpenTurns()
        self._closed = False
        self._lingering: asyncio.TimerHandle | None = None

    async def responses(self, requests: AsyncIterator[pb.ConverseRequest]) -> AsyncGenerator[pb.ConverseResponse, None]:
        """Events until the client closes and every turn it began has ended. Raises domain errors."""
        opening = await anext(requests, None)
        if opening is None:
            return
        if opening.WhichOneof("request") != "open":
            raise FailedPrecondition("the first message must be open", reason="STREAM_NOT_OPEN")
        conversation_id = await self._target(opening.open)
        after = convert.after(opening.open)
        converter, bundled = self._converter(conversation_id), opening.open.bundle_events
        reader: asyncio.Task[None] | None = None
        with self._service.subscribe(conversation_id) as subscription:
            try:
                following = self._service.follow(
                    self._caller,
                    conversation_id,
                    subscription,
                    after=after,
                    until=self._turns,
                    latency=_latency(opening.open.client_time),
                    together=convert.together(bundled),
                )
                async with aclosing(following):
                    async for events in following:
                        if reader is None:
                            # Not before: what comes of a message shall not lie before the place where the stream began.
                            reading = self._read(requests, opening.open, conversation_id, subscription)
                            reader = asyncio.create_task(reading, name="converse-reader")
                        for response in convert.responses(pb.ConverseResponse, converter, events, bundled=bundled):
                            yield response
            finally:
                if reader is not None:
                    reader.cancel()
                    await asyncio.gather(reader, return_exceptions=True)
                if self._lingering is not None:
                    self._lingering.cancel()

    async def _target(self, opening: pb.OpenConversation) -> UUID:
        target: Target = convert.target(opening)
        if target.conversation_id is not None:
            return target.conversation_id
        if convert.after(opening):
            return await self._resumed(target.session_id)
        if target.session_id is not None:
            found, _ = await self._conversations.get_or_create(self._caller, target.session_id, target.new)
            return found.id
        return (await self._conversations.create(self._caller, "", target.new, "")).id

    async def _resumed(self, session_id: str | None) -> UUID:
        """The conversation of a stream with a cursor, which can't lie in one that is yet to be made."""
        if session_id is None:
            raise cursor_ahead(0)
        try:
            return (await self._conversations.find_by_session(self._caller, session_id)).id
        except NotFound as error:
            raise cursor_ahead(0) from error

    async def _read(
        self,
        requests: AsyncIterator[pb.ConverseRequest],
        opening: pb.OpenConversation,
        conversation_id: UUID,
        subscription: Subscription,
    ) -> None:
        """Do what the client says. What it does wrong ends the stream through the subscription."""
        try:
            async for request in requests:
                await self._handle(request, opening, conversation_id, subscription)
        except Exception as error:
            # The stream itself raises it, so that it is mapped and logged like any other.
            subscription.push(error)
        else:
            # Also when it ends without close: a client that is gone is told apart by gRPC, which ends the call itself.
            subscription.push(Closing())

    async def _handle(
        self,
        request: pb.ConverseRequest,
        opening: pb.OpenConversation,
        conversation_id: UUID,
        subscription: Subscription,
    ) -> None:
        kind = request.WhichOneof("request")
        if self._closed:
            raise FailedPrecondition("the stream was closed", reason="STREAM_CLOSED")
        if kind == "open":
            raise FailedPrecondition("the stream is open already", reason="STREAM_ALREADY_OPEN")
        if kind == "message":
            where = Target(conversation_id=conversation_id)
            accepted = await self._service.send(self._caller, convert.command(where, request.message, opening.context))
            await self._wait_for(accepted, subscription)
        elif kind == "regenerate":
            again = convert.regeneration(conversation_id, request.regenerate, opening.context)
            await self._wait_for(await self._service.regenerate(self._caller, again), subscription)
        elif kind == "cancel":
            turn_id = UUID(request.cancel.turn_id) if request.cancel.turn_id else None
            await self._service.cancel(self._caller, conversation_id, turn_id)
        elif kind == "typing":
            notice = TypingChanged("user", request.typing.is_typing, by_stream=subscription.number)
            self._service.typing(conversation_id, notice)
        elif kind == "ping":
            conversation = await self._conversations.get(self._caller, conversation_id)
            subscription.push(Connected(conversation, _latency(request.ping.client_time)))
        elif kind == "close":
            # Not left to the end of the requests: a client may keep its side open and wait for ours to end.
            self._closed = True
            self._lingering = asyncio.get_running_loop().call_later(_LINGER, subscription.push, Closing())

    async def _wait_for(self, accepted: Accepted, subscription: Subscription) -> None:
        """Hold the stream open until a turn has ended, unless it has, which the stream may have told already."""
        self._turns.add(accepted.turn_id)
        if accepted.ended or (accepted.joined and await self._conversations.has_ended(self._caller, accepted.turn_id)):
            self._turns.discard(accepted.turn_id)
            subscription.push(Wake())


def _latency(client_time: timestamp_pb2.Timestamp) -> float:
    """Seconds from the client's clock to ours, 0 when it named no time or its clock runs ahead."""
    if not client_time.seconds:
        return 0.0
    return max(0.0, (datetime.now(UTC) - client_time.ToDatetime(UTC)).total_seconds())
