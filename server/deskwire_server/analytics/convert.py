"""A tenant's events and figures between the contract and plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from deskwire.v1 import analytics_pb2 as pb

from deskwire_server.analytics.models import ConversationMetrics, TenantEvent
from deskwire_server.chat.convert import EventConverter
from deskwire_server.conversations.convert import duration, timestamp

_PREFIX = "EVENT_KIND_"
_NOBODY = UUID(int=0)


def kinds(values: Sequence[pb.EventKind.ValueType]) -> tuple[str, ...]:
    """Kinds of events as they are stored."""
    return tuple(pb.EventKind.Name(value).removeprefix(_PREFIX).lower() for value in values)


class FeedConverter:
    """Turns a tenant's events into the contract's messages."""

    def __init__(self, *, degraded: Callable[[], list[str]], provider: str) -> None:
        self._degraded = degraded
        self._provider = provider

    def convert(self, value: TenantEvent, cursor: str) -> pb.WatchEventsResponse:
        """One message of the stream."""
        whose = value.conversation_id or _NOBODY
        response = pb.WatchEventsResponse(user_id=value.user_id, cursor=cursor)
        EventConverter(whose, degraded=self._degraded, provider=self._provider).fill(response.event, value.event)
        if whose is _NOBODY:
            response.event.ClearField("conversation_id")
        return response


def metrics(value: ConversationMetrics) -> pb.GetConversationMetricsResponse:
    """The figures of a conversation. Kinds that the contract does not name are left out."""
    known = pb.EventKind.keys()
    return pb.GetConversationMetricsResponse(
        conversation_id=str(value.conversation_id),
        events=[
            pb.EventCount(kind=pb.EventKind.Value(name), count=count)
            for name, count in ((_PREFIX + kind.upper(), count) for kind, count in value.events)
            if name in known
        ],
        answered_count=value.answered,
        mean_response_time=None if value.mean_response_seconds is None else duration(value.mean_response_seconds),
        input_tokens=value.input_tokens,
        output_tokens=value.output_tokens,
        first_event_time=timestamp(value.first_event_at),
        last_event_time=timestamp(value.last_event_at),
    )
