"""What calls return: frozen values with plain Python types. Times are aware datetimes, spans are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class MessageRole(StrEnum):
    """Who wrote a message."""

    UNKNOWN = "unspecified"
    """A role that this client does not know yet."""
    USER = "user"
    ASSISTANT = "assistant"
    AGENT = "agent"
    """A human agent."""
    SYSTEM = "system"


class MessageState(StrEnum):
    """Whether a message is whole."""

    UNKNOWN = "unspecified"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    FAILED = "failed"


class FinishReason(StrEnum):
    """Why an answer ended."""

    UNKNOWN = "unspecified"
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    CANCELLED = "cancelled"
    ERROR = "error"
    FALLBACK = "fallback"
    """Every provider failed; quoted passages answer instead."""


class ConversationStatus(StrEnum):
    """State of a conversation."""

    UNKNOWN = "unspecified"
    ACTIVE = "active"
    COMPLETED = "completed"
    ABANDONED = "abandoned"
    BLOCKED = "blocked"


class ConversationOwner(StrEnum):
    """Who answers in a conversation."""

    UNKNOWN = "unspecified"
    BOT = "bot"
    """The assistant."""
    AGENT = "agent"
    """A human agent."""


class Sentiment(StrEnum):
    """Whether somebody liked an answer."""

    UNKNOWN = "unspecified"
    POSITIVE = "positive"
    NEGATIVE = "negative"


class WhileAnswering(StrEnum):
    """What happens to a message that arrives during an answer."""

    QUEUE = "queue"
    """It waits for its turn."""
    INTERRUPT = "interrupt"
    """The running answer is cancelled and this one begins."""
    REFUSE = "refuse"
    """It is refused with FAILED_PRECONDITION `ANSWER_RUNNING`."""


class ImportOutcome(StrEnum):
    """What became of a document."""

    UNKNOWN = "unspecified"
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True)
class Citation:
    """A source that an answer rests on. The answer's text refers to it as `[number]`."""

    number: int
    """1-based number in the text; numbers may have gaps."""
    article_id: str
    title: str
    source_path: str = ""
    """Path of the article's file relative to the imported folder; empty when it was not imported."""
    url: str = ""
    heading_path: tuple[str, ...] = ()
    """Headings from the article's top down to the passage, without the title."""
    snippet: str = ""
    """The passage, shortened to at most 400 characters."""
    start_offset: int = 0
    """Where the passage begins in the article's content, in Unicode code points."""
    end_offset: int = 0
    """Where it ends, exclusive."""
    relevance: float = 0.0
    """How well it fits the question, 0 to 1."""


@dataclass(frozen=True)
class Action:
    """Something the person can do next."""

    id: str
    label: str
    type: str
    """`link`, `message` or `escalate`."""
    action: str
    """What it does; its meaning depends on `type`."""
    variant: str = ""
    description: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens that an answer cost."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """Part of `input_tokens` that came from the provider's cache."""
    total_tokens: int = 0


@dataclass(frozen=True)
class AnswerDetails:
    """What is known of an answer besides its text."""

    intent: str = ""
    confidence: float = 0.0
    """How sure the assistant is, 0 to 1."""
    actions: tuple[Action, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    """Structured data behind the answer."""
    follow_up_questions: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()
    """Sources in the order of their first use in the text."""
    usage: Usage = Usage()
    model: str = ""
    provider: str = ""
    finish_reason: FinishReason = FinishReason.UNKNOWN
    processing_time: float = 0.0
    """Seconds from the acceptance of the question to the end of the answer."""
    language: str = ""
    grounded: bool = False
    """False when the assistant said that it does not know."""
    entities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Feedback:
    """What somebody thinks of an answer."""

    id: str
    user_id: str
    sentiment: Sentiment
    rating: int | None = None
    """1, the worst, to 5, the best."""
    comment: str = ""
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    id: str
    conversation_id: str
    role: MessageRole
    text: str
    """Markdown for answers."""
    create_time: datetime | None = None
    sequence: int = 0
    turn_id: str = ""
    state: MessageState = MessageState.COMPLETE
    answer: AnswerDetails | None = None
    """Details of an answer; None for other messages."""
    request_id: str = ""
    parent_message_id: str = ""
    alternative_message_ids: tuple[str, ...] = ()
    """Messages in the same place, this one included, oldest first; empty when it is the only one, and in events."""
    feedback: Feedback | None = None
    """What the conversation's user thinks of an answer; None in events."""

    @property
    def citations(self) -> tuple[Citation, ...]:
        """Sources of the answer; empty for other messages."""
        return self.answer.citations if self.answer else ()


@dataclass(frozen=True)
class HistoryEntry:
    """A question and its answer."""

    conversation_id: str
    question: Message
    answer: Message | None = None
    """None when the turn ended without text or has not ended."""


@dataclass(frozen=True)
class ConversationInfo:
    """A conversation as it is kept on the server."""

    id: str
    session_id: str = ""
    visitor_id: str = ""
    user_id: str = ""
    status: ConversationStatus = ConversationStatus.ACTIVE
    title: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""
    company: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    last_sequence: int = 0
    """Sequence of its newest event."""
    message_count: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None
    end_time: datetime | None = None
    etag: str = ""
    """Version for concurrent changes."""
    active_turn_id: str = ""
    """The turn that runs or waits now; empty when there is none."""
    owner: ConversationOwner = ConversationOwner.BOT
    owner_token: int = 1
    """Rises with each change of owner."""
    head_message_id: str = ""
    """Newest message of the active branch."""
    earliest_sequence: int = 1
    """Sequence of the oldest event that is kept."""
    summary: str = ""
    """What was said before the messages that an answer still sees in full."""


@dataclass(frozen=True)
class Article:
    """An article of the knowledge base."""

    id: str
    title: str
    content: str = ""
    """Markdown; empty in lists and search results."""
    category: str = ""
    tags: tuple[str, ...] = ()
    url: str = ""
    source_path: str = ""
    """Path of its file relative to the imported folder; empty for articles written by hand."""
    language: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None
    etag: str = ""
    passage_count: int = 0


@dataclass(frozen=True)
class Passage:
    """A passage of an article."""

    text: str
    heading_path: tuple[str, ...] = ()
    start_offset: int = 0
    end_offset: int = 0
    relevance: float = 0.0


@dataclass(frozen=True)
class SearchHit:
    """An article that fits a query."""

    article: Article
    relevance: float
    """How well it fits, 0 to 1."""
    passages: tuple[Passage, ...] = ()
    """Its best passages, best first."""


@dataclass(frozen=True)
class SearchResults:
    """What a search found."""

    hits: tuple[SearchHit, ...]
    """Articles, best first."""
    total_count: int
    """How many articles fit in all."""
    search_time: float
    """Seconds that the search took on the server."""


@dataclass(frozen=True)
class ImportResult:
    """What became of one document."""

    source_path: str
    outcome: ImportOutcome
    article_id: str = ""
    reason: str = ""
    """Why it failed, as a value of `ErrorReason` without its prefix."""
    message: str = ""
    """The same in a sentence for people."""
    passage_count: int = 0


@dataclass(frozen=True)
class ImportSummary:
    """What became of a whole import. Everything that did not fail can be found now."""

    results: tuple[ImportResult, ...] = ()
    """One for each document, in the order they were sent."""
    pending_embeddings: int = 0
    """Passages that wait for their vectors; they are found by words meanwhile."""

    def count(self, outcome: ImportOutcome) -> int:
        """How many documents came out so."""
        return sum(result.outcome is outcome for result in self.results)

    @property
    def failures(self) -> tuple[ImportResult, ...]:
        """Documents that were refused."""
        return tuple(result for result in self.results if result.outcome is ImportOutcome.FAILED)
