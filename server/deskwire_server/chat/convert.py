"""Chat between the contract and plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from uuid import UUID

from deskwire.v1 import chat_pb2, common_pb2, error_reason_pb2, event_pb2

from deskwire_server.conversations import convert
from deskwire_server.llm.port import AnswerContext
from deskwire_server.turns.models import (
    AnswerOptions,
    Connected,
    DurableEvent,
    GoAway,
    Heartbeat,
    Regenerate,
    SendMessage,
    SourcesFound,
    StreamEvent,
    Target,
    TextAdded,
    TypingChanged,
    WhileAnswering,
)

_WHILE_ANSWERING = {
    chat_pb2.WHILE_ANSWERING_UNSPECIFIED: WhileAnswering.QUEUE,
    chat_pb2.WHILE_ANSWERING_QUEUE: WhileAnswering.QUEUE,
    chat_pb2.WHILE_ANSWERING_INTERRUPT: WhileAnswering.INTERRUPT,
    chat_pb2.WHILE_ANSWERING_REFUSE: WhileAnswering.REFUSE,
}
_RECONNECT_SECONDS = 0.5
_LARGEST_BUNDLE = 64 * 1024
"""Bytes of a response after which no more events are added to it."""
_LONGEST_BUNDLE = 64
"""Events of a response."""
_Response = TypeVar(
    "_Response",
    chat_pb2.ConverseResponse,
    chat_pb2.SendMessageResponse,
    chat_pb2.RegenerateAnswerResponse,
    chat_pb2.WatchConversationResponse,
)
_ROLES = {
    "user": common_pb2.MESSAGE_ROLE_USER,
    "assistant": common_pb2.MESSAGE_ROLE_ASSISTANT,
    "agent": common_pb2.MESSAGE_ROLE_AGENT,
}


HasTarget = chat_pb2.OpenConversation | chat_pb2.SendMessageRequest | chat_pb2.ChatRequest
"""Requests that name where a message goes."""


def target(request: HasTarget) -> Target:
    """Where a message goes."""
    if request.conversation_id:
        return Target(conversation_id=UUID(request.conversation_id))
    new = request.new_conversation
    session_id = request.session_id or new.session_id
    return Target(session_id=session_id or None, new=convert.new_conversation(new))


HasCursor = (
    chat_pb2.OpenConversation
    | chat_pb2.SendMessageRequest
    | chat_pb2.RegenerateAnswerRequest
    | chat_pb2.WatchConversationRequest
)
"""Requests that name a cursor to resume from."""


def after(request: HasCursor) -> int | None:
    """The cursor of a request, None when it names none."""
    return request.after_sequence if request.HasField("after_sequence") else None


def command(
    where: Target, message: chat_pb2.UserMessage, context: common_pb2.ChatContext, cursor: int | None = None
) -> SendMessage:
    """A message to send."""
    return SendMessage(
        where,
        message.text,
        message.request_id,
        _WHILE_ANSWERING[message.while_answering],
        options(message.options),
        answer_context(context),
        UUID(message.replaces_message_id) if message.replaces_message_id else None,
        cursor,
    )


def regeneration(
    conversation_id: UUID,
    request: chat_pb2.Regeneration | chat_pb2.RegenerateAnswerRequest,
    context: common_pb2.ChatContext,
    cursor: int | None = None,
) -> Regenerate:
    """An answer to make once more."""
    return Regenerate(
        conversation_id,
        UUID(request.message_id),
        request.request_id,
        _WHILE_ANSWERING[request.while_answering],
        options(request.options),
        answer_context(context),
        cursor,
    )


def options(value: common_pb2.AnswerOptions) -> AnswerOptions:
    """How an answer shall be made; absent fields stay None."""
    return AnswerOptions(
        provider="" if value.provider == "auto" else value.provider,
        model=value.model,
        temperature=value.temperature if value.HasField("temperature") else None,
        max_tokens=value.max_tokens if value.HasField("max_tokens") else None,
        include_history=value.include_history if value.HasField("include_history") else True,
        max_history_messages=value.max_history_messages if value.HasField("max_history_messages") else None,
    )


def answer_context(value: common_pb2.ChatContext) -> AnswerContext:
    """What is known of the person and the page."""
    profile = value.user_profile
    return AnswerContext(
        user_name=profile.name,
        role=profile.role,
        plan=profile.subscription.plan,
        current_page=value.current_page,
        company_name=value.attributes.get("company", ""),
        language=value.language,
    )


class EventConverter:
    """Turns stream events into the contract's envelope, for one conversation.

    Envelopes are filled where they stand: a message that is made by itself is copied into the one that holds it.
    """

    def __init__(self, conversation_id: UUID, *, degraded: Callable[[], list[str]], provider: str) -> None:
        self._conversation_id = str(conversation_id)
        self._degraded = degraded
        self._provider = provider

    def fill(self, envelope: event_pb2.ConversationEvent, event: StreamEvent) -> None:
        """Make `envelope`, an empty one, one event for the wire."""
        envelope.conversation_id = self._conversation_id
        if isinstance(event, DurableEvent):
            envelope.sequence = event.sequence
            convert.set_timestamp(envelope.create_time, event.created_at)
            if event.turn_id is not None:
                envelope.turn_id = str(event.turn_id)
            _fill_durable(envelope, event.kind, event.payload)
            return
        convert.set_now(envelope.create_time)
        if isinstance(event, TextAdded):
            envelope.turn_id = str(event.turn_id)
            delta = envelope.text_delta
            delta.message_id = str(event.message_id)
            delta.attempt = event.attempt
            delta.offset = event.offset
            delta.text = event.text
        elif isinstance(event, TypingChanged):
            if event.turn_id is not None:
                envelope.turn_id = str(event.turn_id)
            typing = envelope.typing
            typing.role = _ROLES[event.role]
            typing.is_typing = event.is_typing
            if event.estimated_seconds:
                convert.set_duration(typing.estimated_response_time, event.estimated_seconds)
        else:
            self._fill_live(envelope, event)

    def _fill_live(self, envelope: event_pb2.ConversationEvent, event: StreamEvent) -> None:
        if isinstance(event, SourcesFound):
            envelope.turn_id = str(event.turn_id)
            found = envelope.citations_found
            found.message_id = str(event.message_id)
            found.citations.extend([convert.citation(each) for each in event.citations])
        elif isinstance(event, Connected):
            status = envelope.connection_status
            status.connected = True
            convert.set_duration(status.latency, event.latency)
            convert.set_now(status.server_time)
            if event.conversation is not None:
                status.conversation.CopyFrom(convert.conversation(event.conversation))
            status.degraded.extend(self._degraded())
            status.provider = self._provider
        elif isinstance(event, Heartbeat):
            convert.set_now(envelope.heartbeat.server_time)
        elif isinstance(event, GoAway):
            going = envelope.go_away
            if event.draining:
                going.reason = error_reason_pb2.ERROR_REASON_SERVER_DRAINING
            going.after_sequence = event.after_sequence
            convert.set_duration(going.reconnect_after, _RECONNECT_SECONDS)


def _fill_durable(envelope: event_pb2.ConversationEvent, kind: str, payload: Mapping[str, Any]) -> None:
    if kind == "message_accepted":
        convert.fill_message(envelope.message_accepted.message, payload["message"])
        envelope.message_accepted.queue_position = payload["queue_position"]
    elif kind == "regeneration_accepted":
        envelope.regeneration_accepted.CopyFrom(event_pb2.RegenerationAccepted(**payload))
    elif kind == "turn_started":
        started = envelope.turn_started
        started.message_id = payload["message_id"]
        started.attempt = payload["attempt"]
    elif kind == "message_completed":
        convert.fill_message(envelope.message_completed.message, payload["message"])
    elif kind == "turn_failed":
        failed = envelope.turn_failed
        failed.reason = _reason(payload["reason"])
        failed.message = payload["message"]
        failed.retryable = payload["retryable"]
        _fill_partial(failed, payload)
    elif kind == "turn_cancelled":
        cancelled = envelope.turn_cancelled
        cancelled.reason = _reason(payload.get("reason"))
        _fill_partial(cancelled, payload)
    elif kind == "conversation_changed":
        changed = convert.conversation_from_json(payload["conversation"])
        envelope.conversation_changed.conversation.CopyFrom(changed)


def _fill_partial(end: event_pb2.TurnFailed | event_pb2.TurnCancelled, payload: Mapping[str, Any]) -> None:
    if partial := payload.get("partial"):
        convert.fill_message(end.partial_message, partial)


def _reason(name: str | None) -> error_reason_pb2.ErrorReason.ValueType:
    full = f"ERROR_REASON_{name or 'UNSPECIFIED'}"
    if full in error_reason_pb2.ErrorReason.keys():  # noqa: SIM118 (an enum wrapper is no mapping)
        return error_reason_pb2.ErrorReason.Value(full)
    return error_reason_pb2.ERROR_REASON_UNSPECIFIED


def together(bundled: bool) -> int:
    """How many events may be asked for at once."""
    return _LONGEST_BUNDLE if bundled else 1


def responses(
    make: Callable[[], _Response], converter: EventConverter, events: Iterable[StreamEvent], *, bundled: bool
) -> Iterator[_Response]:
    """Events in the responses of a stream: one in each, or as many as fit where the client takes bundles."""
    response, room = None, 0
    for event in events:
        if response is None:
            response, room = make(), _LONGEST_BUNDLE
            converter.fill(response.event, event)
        else:
            converter.fill(response.more_events.add(), event)
        room -= 1
        if not bundled or not room or response.ByteSize() > _LARGEST_BUNDLE:
            yield response
            response = None
    if response is not None:
        yield response
