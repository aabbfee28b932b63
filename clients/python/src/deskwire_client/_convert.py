"""Pure functions between the contract's messages and this package's values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from deskwire.v1 import chat_pb2, common_pb2, conversation_pb2, error_reason_pb2, event_pb2, knowledge_pb2
from google.protobuf import json_format, struct_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as ProtoMessage
from google.protobuf.timestamp_pb2 import Timestamp

from deskwire_client import events, models

AnyProto = TypeVar("AnyProto", bound=ProtoMessage)
AnyEnum = TypeVar("AnyEnum", bound=StrEnum)


class _EnumNames(Protocol):
    def Name(self, number: Any) -> str: ...


def enum_of(kind: type[AnyEnum], names: _EnumNames, number: int, prefix: str) -> AnyEnum:
    """A value by its number; the kind's first member when this client does not know it."""
    try:
        return kind(names.Name(number).removeprefix(prefix).lower())
    except ValueError:
        return next(iter(kind))


def reason_of(number: int) -> str:
    """A reason's name without its prefix; empty when unspecified, the number when this client does not know it."""
    if not number:
        return ""
    try:
        return error_reason_pb2.ErrorReason.Name(number).removeprefix("ERROR_REASON_")  # type: ignore[arg-type]
    except ValueError:
        return str(number)


def time_of(message: ProtoMessage, field: str) -> datetime | None:
    """A timestamp field; None when absent."""
    if not message.HasField(field):
        return None
    value: Timestamp = getattr(message, field)
    return value.ToDatetime(tzinfo=UTC)


def seconds_of(value: Duration) -> float:
    """A duration in seconds."""
    return value.seconds + value.nanos / 1e9


def _struct(value: struct_pb2.Struct) -> dict[str, Any]:
    return dict(json_format.MessageToDict(value))


def proto_of(kind: type[AnyProto], value: AnyProto | Mapping[str, Any] | None) -> AnyProto:
    """A message from itself or from its JSON form, in snake_case or camelCase. Raises ValueError for unknown fields."""
    if value is None:
        return kind()
    if not isinstance(value, Mapping):
        return value
    try:
        return json_format.ParseDict(dict(value), kind())
    except json_format.ParseError as error:
        raise ValueError(f"{kind.DESCRIPTOR.name}: {error}") from error


def citation(value: common_pb2.Citation) -> models.Citation:
    """A citation."""
    return models.Citation(
        number=value.number,
        article_id=value.article_id,
        title=value.title,
        source_path=value.source_path,
        url=value.url,
        heading_path=tuple(value.heading_path),
        snippet=value.snippet,
        start_offset=value.start_offset,
        end_offset=value.end_offset,
        relevance=value.relevance,
    )


def _details(value: common_pb2.AnswerDetails) -> models.AnswerDetails:
    usage = value.usage
    return models.AnswerDetails(
        intent=value.intent,
        confidence=value.confidence,
        actions=tuple(models.Action(a.id, a.label, a.type, a.action, a.variant, a.description) for a in value.actions),
        data=_struct(value.data),
        follow_up_questions=tuple(value.follow_up_questions),
        citations=tuple(citation(c) for c in value.citations),
        usage=models.Usage(usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.total_tokens),
        model=value.model,
        provider=value.provider,
        finish_reason=enum_of(models.FinishReason, common_pb2.FinishReason, value.finish_reason, "FINISH_REASON_"),
        processing_time=seconds_of(value.processing_time),
        language=value.language,
        grounded=value.grounded,
        entities=_struct(value.entities),
    )


def message(value: common_pb2.Message) -> models.Message:
    """A message."""
    return models.Message(
        id=value.id,
        conversation_id=value.conversation_id,
        role=enum_of(models.MessageRole, common_pb2.MessageRole, value.role, "MESSAGE_ROLE_"),
        text=value.text,
        create_time=time_of(value, "create_time"),
        sequence=value.sequence,
        turn_id=value.turn_id,
        state=enum_of(models.MessageState, common_pb2.MessageState, value.state, "MESSAGE_STATE_"),
        answer=_details(value.answer) if value.HasField("answer") else None,
        request_id=value.request_id,
        parent_message_id=value.parent_message_id,
        alternative_message_ids=tuple(value.alternative_message_ids),
        feedback=_feedback(value.feedback) if value.HasField("feedback") else None,
    )


def _feedback(value: common_pb2.Feedback) -> models.Feedback:
    return models.Feedback(
        id=value.id,
        user_id=value.user_id,
        sentiment=enum_of(models.Sentiment, common_pb2.FeedbackSentiment, value.sentiment, "FEEDBACK_SENTIMENT_"),
        rating=value.rating if value.HasField("rating") else None,
        comment=value.comment,
        categories=tuple(value.categories),
    )


def history_entry(value: conversation_pb2.HistoryEntry) -> models.HistoryEntry:
    """A question and its answer."""
    return models.HistoryEntry(
        conversation_id=value.conversation_id,
        question=message(value.question),
        answer=message(value.answer) if value.HasField("answer") else None,
    )


def conversation(value: conversation_pb2.Conversation) -> models.ConversationInfo:
    """A conversation."""
    status = enum_of(
        models.ConversationStatus, conversation_pb2.ConversationStatus, value.status, "CONVERSATION_STATUS_"
    )
    return models.ConversationInfo(
        id=value.id,
        session_id=value.session_id,
        visitor_id=value.visitor_id,
        user_id=value.user_id,
        status=status,
        title=value.title,
        name=value.name,
        email=value.email,
        phone=value.phone,
        company=value.company,
        tags=tuple(value.tags),
        metadata=dict(value.metadata),
        last_sequence=value.last_sequence,
        message_count=value.message_count,
        create_time=time_of(value, "create_time"),
        update_time=time_of(value, "update_time"),
        end_time=time_of(value, "end_time"),
        etag=value.etag,
        active_turn_id=value.active_turn_id,
        owner=enum_of(models.ConversationOwner, conversation_pb2.ConversationOwner, value.owner, "CONVERSATION_OWNER_"),
        owner_token=value.owner_token,
        head_message_id=value.head_message_id,
        earliest_sequence=value.earliest_sequence,
        summary=value.summary,
    )


def article(value: knowledge_pb2.Article) -> models.Article:
    """An article."""
    return models.Article(
        id=value.id,
        title=value.title,
        content=value.content,
        category=value.category,
        tags=tuple(value.tags),
        url=value.url,
        source_path=value.source_path,
        language=value.language,
        create_time=time_of(value, "create_time"),
        update_time=time_of(value, "update_time"),
        etag=value.etag,
        passage_count=value.passage_count,
    )


def search_results(value: knowledge_pb2.SearchKnowledgeResponse) -> models.SearchResults:
    """What a search found."""
    hits = [
        models.SearchHit(
            article=article(hit.article),
            relevance=hit.relevance,
            passages=tuple(
                models.Passage(p.text, tuple(p.heading_path), p.start_offset, p.end_offset, p.relevance)
                for p in hit.passages
            ),
        )
        for hit in value.results
    ]
    return models.SearchResults(tuple(hits), value.total_count, seconds_of(value.search_time))


def import_result(value: knowledge_pb2.ImportResult) -> models.ImportResult:
    """What became of a document."""
    return models.ImportResult(
        source_path=value.source_path,
        outcome=enum_of(models.ImportOutcome, knowledge_pb2.ImportOutcome, value.outcome, "IMPORT_OUTCOME_"),
        article_id=value.article_id,
        reason=reason_of(value.reason),
        message=value.message,
        passage_count=value.passage_count,
    )


def while_answering(value: models.WhileAnswering | None) -> chat_pb2.WhileAnswering.ValueType:
    """The contract's value."""
    if value is None:
        return chat_pb2.WHILE_ANSWERING_UNSPECIFIED
    return chat_pb2.WhileAnswering.Value(f"WHILE_ANSWERING_{value.name}")


def event(raw: event_pb2.ConversationEvent) -> events.Event | None:
    """A typed event; None for kinds that this client does not know and for mere signs of life."""
    base: dict[str, Any] = {
        "sequence": raw.sequence,
        "create_time": time_of(raw, "create_time"),
        "conversation_id": raw.conversation_id,
        "turn_id": raw.turn_id,
        "raw": raw,
    }
    convert = _EVENTS.get(raw.WhichOneof("event") or "")
    return convert(raw, base) if convert else None


def _accepted(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    value = raw.message_accepted
    return events.Accepted(message=message(value.message), queue_position=value.queue_position, **base)


def _regeneration(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    value = raw.regeneration_accepted
    return events.RegenerationAccepted(
        question_message_id=value.question_message_id,
        queue_position=value.queue_position,
        request_id=value.request_id,
        **base,
    )


def _started(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    return events.Started(message_id=raw.turn_started.message_id, attempt=raw.turn_started.attempt, **base)


def _delta(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    value = raw.text_delta
    return events.TextDelta(
        message_id=value.message_id, attempt=value.attempt, offset=value.offset, text=value.text, **base
    )


def _citations(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    value = raw.citations_found
    return events.Citations(message_id=value.message_id, citations=tuple(citation(c) for c in value.citations), **base)


def _completed(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    return events.Completed(message=message(raw.message_completed.message), **base)


def _failed(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    value = raw.turn_failed
    partial = message(value.partial_message) if value.HasField("partial_message") else None
    return events.Failed(
        reason=reason_of(value.reason),
        message=value.message,
        retryable=value.retryable,
        partial_message=partial,
        **base,
    )


def _cancelled(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    value = raw.turn_cancelled
    partial = message(value.partial_message) if value.HasField("partial_message") else None
    return events.Cancelled(reason=reason_of(value.reason), partial_message=partial, **base)


def _typing(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    value = raw.typing
    expected = seconds_of(value.estimated_response_time) if value.HasField("estimated_response_time") else None
    return events.Typing(
        role=enum_of(models.MessageRole, common_pb2.MessageRole, value.role, "MESSAGE_ROLE_"),
        is_typing=value.is_typing,
        estimated_response_time=expected,
        **base,
    )


def _changed(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    return events.ConversationUpdated(conversation=conversation(raw.conversation_changed.conversation), **base)


def _status(raw: event_pb2.ConversationEvent, base: dict[str, Any]) -> events.Event:
    value = raw.connection_status
    return events.Status(
        latency=seconds_of(value.latency),
        server_time=time_of(value, "server_time"),
        conversation=conversation(value.conversation) if value.HasField("conversation") else None,
        degraded=tuple(value.degraded),
        provider=value.provider,
        **base,
    )


_EVENTS = {
    "message_accepted": _accepted,
    "regeneration_accepted": _regeneration,
    "turn_started": _started,
    "text_delta": _delta,
    "citations_found": _citations,
    "message_completed": _completed,
    "turn_failed": _failed,
    "turn_cancelled": _cancelled,
    "typing": _typing,
    "conversation_changed": _changed,
    "connection_status": _status,
}
