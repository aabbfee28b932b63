"""The events of a whole tenant, over as many calls as it takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from deskwire.v1 import analytics_pb2, event_pb2
from deskwire.v1.analytics_pb2_grpc import AnalyticsServiceStub

from deskwire_client import _convert
from deskwire_client._calls import Caller
from deskwire_client._fold import Folder
from deskwire_client._stream import Call, EventStream, StateCallback
from deskwire_client.events import (
    Accepted,
    Cancelled,
    Completed,
    ConversationUpdated,
    Event,
    Failed,
    RegenerationAccepted,
    Started,
)

_KINDS: dict[type[Event], analytics_pb2.EventKind.ValueType] = {
    Accepted: analytics_pb2.EVENT_KIND_MESSAGE_ACCEPTED,
    RegenerationAccepted: analytics_pb2.EVENT_KIND_REGENERATION_ACCEPTED,
    Started: analytics_pb2.EVENT_KIND_TURN_STARTED,
    Completed: analytics_pb2.EVENT_KIND_MESSAGE_COMPLETED,
    Failed: analytics_pb2.EVENT_KIND_TURN_FAILED,
    Cancelled: analytics_pb2.EVENT_KIND_TURN_CANCELLED,
    ConversationUpdated: analytics_pb2.EVENT_KIND_CONVERSATION_CHANGED,
}

CursorCallback: TypeAlias = Callable[[str], None]
"""Told of each new cursor, on the event loop. Must not block."""


@dataclass(frozen=True)
class TenantEvent:
    """An event of some conversation of the tenant."""

    event: Event
    user_id: str
    """The user that the conversation belongs to."""
    cursor: str
    """Where to resume once this event is handled."""


class Feed(EventStream):
    """One logical stream of a tenant's events."""

    def __init__(
        self,
        caller: Caller,
        *,
        cursor: str | None,
        from_beginning: bool,
        kinds: Sequence[type[Event]],
        idle_timeout: float,
        on_state: StateCallback | None,
        on_cursor: CursorCallback | None,
    ) -> None:
        unknown = [kind.__name__ for kind in kinds if kind not in _KINDS]
        if unknown:
            raise ValueError(f"no durable events: {', '.join(unknown)}")
        super().__init__(caller, self._open, folder=Folder(), idle_timeout=idle_timeout, on_state=on_state)
        self._request = analytics_pb2.WatchEventsRequest(
            cursor=cursor or "", from_beginning=from_beginning, kinds=[_KINDS[kind] for kind in kinds]
        )
        self._stub = AnalyticsServiceStub(caller.channel)
        self._user_id = ""
        self._on_cursor = on_cursor

    async def tenant_events(self) -> AsyncGenerator[TenantEvent, None]:
        """The events, each once. Raises DeskwireError when the stream can't be had or resumed."""
        async with aclosing(self.events()) as arriving:
            async for event in arriving:
                yield TenantEvent(event, self._user_id, self._request.cursor)

    async def _open(self, _: Folder) -> Call:
        return self._stub.WatchEvents(self._request, metadata=await self._caller.metadata())

    def _take(self, response: Any, raw: event_pb2.ConversationEvent) -> list[Event]:
        self._user_id = response.user_id
        self._request.cursor = response.cursor
        if self._on_cursor is not None:
            self._on_cursor(response.cursor)
        event = _convert.event(raw) if raw.sequence else None
        return [event] if event is not None else []
