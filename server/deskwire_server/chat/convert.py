"""Chat between the contract and plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
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
    """Turns stream events into the contract's envelope, for one conversation."""

    def __init__(self, conversation_id: UUID, *, degraded: Callable[[], list[str]], provider: str) -> None:
        self._conversation_id = str(conversation_id)
        self._degraded = degraded
        self._provider = provider

    def convert(self, event: StreamEvent) -> event_pb2.ConversationEvent:
        """One event for the wire."""
        if isinstance(event, TextAdded):
            # Most events are these: one message is made at once, and nothing is copied.
            return event_pb2.ConversationEvent(
                create_time=convert.now(),
                conversation_id=self._conversation_id,
                turn_id=str(event.turn_id),
                text_delta=event_pb2.TextDelta(
                    message_id=str(event.message_id), attempt=event.attempt, offset=event.offset, text=event.text
                ),
            )
        if isinstance(event, TypingChanged):
            seconds = event.estimated_seconds
            return event_pb2.ConversationEvent(
                create_time=convert.now(),
                conversation_id=self._conversation_id,
                turn_id=str(event.turn_id or ""),
                typing=event_pb2.Typing(
                    role=_ROLES[event.role],
                    is_typing=event.is_typing,
                    estimated_response_time=convert.duration(seconds) if seconds else None,
                ),
            )
        if isinstance(event, DurableEvent):
            envelope = event_pb2.ConversationEvent(
                sequence=event.sequence,
                create_time=convert.timestamp(event.created_at),
                conversation_id=self._conversation_id,
                turn_id=str(event.turn_id or ""),
            )
            _fill_durable(envelope, event.kind, event.payload)
            return envelope
        envelope = event_pb2.ConversationEvent(create_time=convert.now(), conversation_id=self._conversation_id)
        self._fill_live(envelope, event)
        return envelope

    def _fill_live(self, envelope: event_pb2.ConversationEvent, event: StreamEvent) -> None:
        if isinstance(event, SourcesFound):
            envelope.turn_id = str(event.turn_id)
            envelope.citations_found.CopyFrom(
                event_pb2.CitationsFound(
                    message_id=str(event.message_id), citations=[convert.citation(each) for each in event.citations]
                )
            )
        elif isinstance(event, Connected):
            envelope.connection_status.CopyFrom(
                event_pb2.ConnectionStatus(
                    connected=True,
                    latency=convert.duration(event.latency),
                    server_time=convert.now(),
                    conversation=convert.conversation(event.conversation) if event.conversation else None,
                    degraded=self._degraded(),
                    provider=self._provider,
                )
            )
        elif isinstance(event, Heartbeat):
            envelope.heartbeat.CopyFrom(event_pb2.Heartbeat(server_time=convert.now()))
        elif isinstance(event, GoAway):
            unspecified, draining = (
                error_reason_pb2.ERROR_REASON_UNSPECIFIED,
                error_reason_pb2.ERROR_REASON_SERVER_DRAINING,
            )
            envelope.go_away.CopyFrom(
                event_pb2.GoAway(
                    reason=draining if event.draining else unspecified,
                    after_sequence=event.after_sequence,
                    reconnect_after=convert.duration(_RECONNECT_SECONDS),
                )
            )


def _fill_durable(envelope: event_pb2.ConversationEvent, kind: str, payload: Mapping[str, Any]) -> None:
    if kind == "message_accepted":
        envelope.message_accepted.CopyFrom(
            event_pb2.MessageAccepted(
                message=convert.message_from_json(payload["message"]), queue_position=payload["queue_position"]
            )
        )
    elif kind == "regeneration_accepted":
        envelope.regeneration_accepted.CopyFrom(event_pb2.RegenerationAccepted(**payload))
    elif kind == "turn_started":
        envelope.turn_started.CopyFrom(event_pb2.TurnStarted(**payload))
    elif kind == "message_completed":
        envelope.message_completed.CopyFrom(
            event_pb2.MessageCompleted(message=convert.message_from_json(payload["message"]))
        )
    elif kind == "turn_failed":
        envelope.turn_failed.CopyFrom(
            event_pb2.TurnFailed(
                reason=_reason(payload["reason"]),
                message=payload["message"],
                retryable=payload["retryable"],
                partial_message=_partial(payload),
            )
        )
    elif kind == "turn_cancelled":
        envelope.turn_cancelled.CopyFrom(
            event_pb2.TurnCancelled(partial_message=_partial(payload), reason=_reason(payload.get("reason")))
        )
    elif kind == "conversation_changed":
        envelope.conversation_changed.CopyFrom(
            event_pb2.ConversationChanged(conversation=convert.conversation_from_json(payload["conversation"]))
        )


def _partial(payload: Mapping[str, Any]) -> common_pb2.Message | None:
    partial = payload.get("partial")
    return convert.message_from_json(partial) if partial else None


def _reason(name: str | None) -> error_reason_pb2.ErrorReason.ValueType:
    full = f"ERROR_REASON_{name or 'UNSPECIFIED'}"
    if full in error_reason_pb2.ErrorReason.keys():  # noqa: SIM118 (an enum wrapper is no mapping)
        return error_reason_pb2.ErrorReason.Value(full)
    return error_reason_pb2.ERROR_REASON_UNSPECIFIED
