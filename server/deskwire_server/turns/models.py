"""What a turn is made of: commands that begin it, events that tell of it, the answer that ends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from deskwire_server.llm.port import AnswerContext

Json = dict[str, Any]


def fields_of(value: Any) -> Json:
    """A flat dataclass as a dictionary: what `asdict` gives, without its copies of copies."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


class WhileAnswering(StrEnum):
    """What happens to a message that arrives during an answer."""

    QUEUE = "queue"
    INTERRUPT = "interrupt"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How an answer shall be made; None takes the server's default."""

    provider: str = ""
    model: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    include_history: bool = True
    max_history_messages: int | None = None


@dataclass(frozen=True, slots=True)
class NewConversation:
    """Fields of a conversation that is made with its first message."""

    visitor_id: str = ""
    title: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""
    company: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a message goes: a conversation, the one of a session, or a new one where both are None."""

    conversation_id: UUID | None = None
    session_id: str | None = None
    new: NewConversation = field(default_factory=NewConversation)


@dataclass(frozen=True, slots=True)
class SendMessage:
    """A message of a person."""

    target: Target
    text: str
    request_id: str
    """Empty: the server makes one."""
    while_answering: WhileAnswering = WhileAnswering.QUEUE
    options: AnswerOptions = field(default_factory=AnswerOptions)
    context: AnswerContext = field(default_factory=AnswerContext)
    replaces: UUID | None = None
    """An earlier question of the conversation in whose place it stands; None continues the active branch."""
    after: int | None = None
    """Cursor that the caller resumes from. One that the conversation can't serve is refused before anything is kept."""


@dataclass(frozen=True, slots=True)
class Regenerate:
    """Answer a question once more."""

    conversation_id: UUID
    message_id: UUID
    """The answer to replace, or its question."""
    request_id: str
    """Empty: the server makes one."""
    while_answering: WhileAnswering = WhileAnswering.QUEUE
    options: AnswerOptions = field(default_factory=AnswerOptions)
    context: AnswerContext = field(default_factory=AnswerContext)
    after: int | None = None
    """As in `SendMessage`."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A turn that was committed, now or by an earlier call with the same request id."""

    conversation_id: UUID
    turn_id: UUID
    question_id: UUID
    answer_id: UUID
    first_sequence: int
    """Sequence of the event that brought it in."""
    joined: bool
    ended: bool = False
    """Whether nothing more will come of it."""
    opening: Opening | None = None
    """What a stream of this turn alone begins with; None where the database must be asked."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The beginning of a turn's stream, known from the transaction that accepted it."""

    conversation: Any
    events: tuple[DurableEvent, ...]
    live: tuple[TypingChanged, ...] = ()
    """What is to be seen besides them."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A turn that this worker may run, with all that it needs."""

    tenant_id: UUID
    turn_id: UUID
    attempt: int
    conversation_id: UUID
    user_id: str
    question_id: UUID
    answer_id: UUID
    question: str
    options: AnswerOptions
    context: AnswerContext
    history: tuple[tuple[str, str], ...]
    """(role, text), oldest first, without the question."""
    cancel_reason: str | None
    accepted_at: datetime
    reader: Json | None = None
    """As whom the asker reads articles, by the token at the time; None for one who sees least."""
    summary: str = ""
    """What was said before the history, where the branch has more."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A turn that was claimed in the transaction that accepted it."""

    claim: Claim
    started: DurableEvent
    conversation: Any
    """The conversation as it is then."""


DurableKind = Literal[
    "message_accepted",
    "regeneration_accepted",
    "turn_started",
    "message_completed",
    "turn_failed",
    "turn_cancelled",
    "conversation_changed",
]
TERMINAL_KINDS = frozenset({"message_completed", "turn_failed", "turn_cancelled"})


@dataclass(frozen=True, slots=True)
class DurableEvent:
    """A stored event. `payload` holds messages in the shape of the database's `message_json`."""

    sequence: int
    turn_id: UUID | None
    kind: str
    payload: Json
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TextAdded:
    """More text of a running answer; `offset` in code points."""

    turn_id: UUID
    message_id: UUID
    attempt: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class SourcesFound:
    """Passages that a running answer may refer to, as citations."""

    turn_id: UUID
    message_id: UUID
    citations: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class TypingChanged:
    """Somebody types, or stopped."""

    role: Literal["user", "assistant", "agent"]
    is_typing: bool
    turn_id: UUID | None = None
    estimated_seconds: float = 0.0
    by_stream: int = 0
    """Stream that the notice came from, which does not get it back; 0 for none."""


@dataclass(frozen=True, slots=True)
class Connected:
    """State of the stream."""

    conversation: Any
    latency: float = 0.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sign of life."""


@dataclass(frozen=True, slots=True)
class GoAway:
    """The stream ends soon."""

    after_sequence: int
    draining: bool


StreamEvent = DurableEvent | TextAdded | SourcesFound | TypingChanged | Connected | Heartbeat | GoAway


@dataclass(frozen=True, slots=True)
class Answer:
    """What ends a turn: a whole answer, a failure, or a cancellation with the text so far."""

    state: Literal["completed", "failed", "cancelled", "interrupted"]
    text: str
    details: Json | None
    reason: str = ""
    """`ErrorReason` of a failure or cancellation; empty when somebody asked for it."""
    message: str = ""
    """Sentence for people, of a failure."""
    retryable: bool = False
    usage: tuple[Json, ...] = ()
    """One for each provider call that was made."""
