"""Events of a conversation as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from deskwire.v1 import event_pb2

from deskwire_client.models import Citation, ConversationInfo, Message, MessageRole


@dataclass(frozen=True, kw_only=True)
class EventBase:
    """What every event carries."""

    sequence: int = 0
    """Gapless place in the conversation, from 1; 0 for live events, which are not stored."""
    create_time: datetime | None = None
    """When it happened, by the server's clock."""
    conversation_id: str = ""
    turn_id: str = ""
    """The turn it belongs to; empty if to none."""
    raw: event_pb2.ConversationEvent = field(
        default_factory=event_pb2.ConversationEvent, repr=False, compare=False, hash=False
    )
    """The contract's message, for fields that this client does not know yet."""


@dataclass(frozen=True, kw_only=True)
class Accepted(EventBase):
    """The question was committed: it can't be lost any more."""

    message: Message
    queue_position: int = 0
    """How many turns wait before this one."""


@dataclass(frozen=True, kw_only=True)
class RegenerationAccepted(EventBase):
    """Another answer to an earlier question was asked for and is committed."""

    question_message_id: str
    queue_position: int = 0
    """How many turns wait before this one."""
    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Started(EventBase):
    """An attempt to answer began. Throw away text of an earlier attempt."""

    message_id: str
    """Id that the answer will have."""
    attempt: int
    """1 for the first attempt."""


@dataclass(frozen=True, kw_only=True)
class TextDelta(EventBase):
    """More text. The deltas of the highest attempt, joined, are the answer; none comes twice after a reconnect."""

    message_id: str
    attempt: int
    offset: int
    """Where `text` begins in the answer, in Unicode code points."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Citations(EventBase):
    """Sources that the answer may refer to. The completed message repeats those that it does."""

    message_id: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, kw_only=True)
class Completed(EventBase):
    """The answer is whole and committed. Last event of its turn."""

    message: Message


@dataclass(frozen=True, kw_only=True)
class Failed(EventBase):
    """The turn ended without an answer. Last event of its turn."""

    reason: str
    """A value of `ErrorReason` without its prefix."""
    message: str
    """The same in a sentence for people."""
    retryable: bool
    """Whether sending the question again, with a new request id, may help."""
    partial_message: Message | None = None


@dataclass(frozen=True, kw_only=True)
class Cancelled(EventBase):
    """The turn was stopped. Last event of its turn."""

    reason: str = ""
    """Empty when somebody asked for it, `ABANDONED` when nobody watched, `OWNER_CHANGED` when a human took over."""
    partial_message: Message | None = None


@dataclass(frozen=True, kw_only=True)
class Typing(EventBase):
    """Somebody types, or stopped."""

    role: MessageRole
    is_typing: bool
    estimated_response_time: float | None = None
    """Seconds until the first words may be expected; for the assistant only."""


@dataclass(frozen=True, kw_only=True)
class ConversationUpdated(EventBase):
    """The conversation's own fields or state changed."""

    conversation: ConversationInfo


@dataclass(frozen=True, kw_only=True)
class Status(EventBase):
    """The stream is connected: once after every connect, and as the answer to a ping."""

    latency: float
    """Seconds from this machine's clock to the server's; 0 when not measured."""
    server_time: datetime | None
    conversation: ConversationInfo | None
    degraded: tuple[str, ...] = ()
    """Parts that are away while the service runs on, such as `redis`."""
    provider: str = ""
    """Provider that answers by default."""


@dataclass(frozen=True, kw_only=True)
class Missed(EventBase):
    """The place to resume from is gone: events were kept no longer, or the server was restored from a backup.

    The stream goes on behind `resumed_after`; what happened meanwhile is in the conversation's messages.
    """

    resumed_after: int


Event: TypeAlias = (
    Accepted
    | RegenerationAccepted
    | Started
    | TextDelta
    | Citations
    | Completed
    | Failed
    | Cancelled
    | Typing
    | ConversationUpdated
    | Status
    | Missed
)
"""Any event."""

Terminal: TypeAlias = Completed | Failed | Cancelled
"""The last event of a turn."""
