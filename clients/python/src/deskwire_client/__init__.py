"""Client for Deskwire: ask, stream answers with their sources, keep knowledge.

    async with DeskwireClient("127.0.0.1:50051", token=token) as client:
        async for event in client.conversation().send("How do I reset my password?"):
            if isinstance(event, TextDelta):
                print(event.text, end="", flush=True)

`SyncDeskwireClient` does the same without asyncio. Errors are subclasses of `DeskwireError`.
"""

from deskwire_client._auth import TokenSource
from deskwire_client._channel import Tls
from deskwire_client._chat import Chat
from deskwire_client._client import DeskwireClient
from deskwire_client._conversation import Answer, AnswerOptions, Conversation
from deskwire_client._conversations import Conversations
from deskwire_client._feed import TenantEvent
from deskwire_client._import import ImportProgress
from deskwire_client._knowledge import Articles
from deskwire_client._retry import RetryPolicy
from deskwire_client._stream import StreamState
from deskwire_client.errors import (
    AbortedError,
    AlreadyExistsError,
    AnswerCancelledError,
    AnswerFailedError,
    CallCancelledError,
    DeadlineExceededError,
    DeskwireError,
    FailedPreconditionError,
    FieldViolation,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from deskwire_client.events import (
    Accepted,
    Cancelled,
    Citations,
    Completed,
    ConversationUpdated,
    Event,
    Failed,
    Missed,
    RegenerationAccepted,
    Started,
    Status,
    TextDelta,
    Typing,
)
from deskwire_client.models import (
    Action,
    AnswerDetails,
    Article,
    Citation,
    ConversationInfo,
    ConversationOwner,
    ConversationStatus,
    Feedback,
    FinishReason,
    HistoryEntry,
    ImportOutcome,
    ImportResult,
    ImportSummary,
    Message,
    MessageRole,
    MessageState,
    Passage,
    SearchHit,
    SearchResults,
    Sentiment,
    Usage,
    WhileAnswering,
)
from deskwire_client.sync import SyncDeskwireClient

__all__ = [
    "AbortedError",
    "Accepted",
    "Action",
    "AlreadyExistsError",
    "Answer",
    "AnswerCancelledError",
    "AnswerDetails",
    "AnswerFailedError",
    "AnswerOptions",
    "Article",
    "Articles",
    "CallCancelledError",
    "Cancelled",
    "Chat",
    "Citation",
    "Citations",
    "Completed",
    "Conversation",
    "ConversationInfo",
    "ConversationOwner",
    "ConversationStatus",
    "ConversationUpdated",
    "Conversations",
    "DeadlineExceededError",
    "DeskwireClient",
    "DeskwireError",
    "Event",
    "Failed",
    "FailedPreconditionError",
    "Feedback",
    "FieldViolation",
    "FinishReason",
    "HistoryEntry",
    "ImportOutcome",
    "ImportProgress",
    "ImportResult",
    "ImportSummary",
    "InternalError",
    "InvalidArgumentError",
    "Message",
    "MessageRole",
    "MessageState",
    "Missed",
    "NotFoundError",
    "OutOfRangeError",
    "Passage",
    "PermissionDeniedError",
    "RegenerationAccepted",
    "ResourceExhaustedError",
    "RetryPolicy",
    "SearchHit",
    "SearchResults",
    "Sentiment",
    "Started",
    "Status",
    "StreamState",
    "SyncDeskwireClient",
    "TenantEvent",
    "TextDelta",
    "Tls",
    "TokenSource",
    "Typing",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "Usage",
    "WhileAnswering",
]
