"""What a provider of answers is: the port that every one of them implements.

A provider turns one `CompletionRequest` into a stream of `ProviderEvent`s. It keeps no state between calls, retries
nothing (the caller decides), and closes its connection when its iterator is closed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from deskwire_server.errors import Unavailable


class FinishReason(StrEnum):
    """Why an answer ended, the same set for every provider."""

    STOP = "stop"
    """The model was done, or met a stop sequence."""
    LENGTH = "length"
    """The limit of tokens was reached."""
    TOOL_CALLS = "tool_calls"
    """The model waits for the results of its tool calls."""
    CONTENT_FILTER = "content_filter"
    """The provider withheld the rest, or the model refused."""
    CANCELLED = "cancelled"
    """The caller stopped it."""
    ERROR = "error"
    """The provider failed in mid-answer."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that the model asks for."""

    id: str
    name: str
    arguments: str
    """JSON text of the arguments, complete."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool that the model may call."""

    name: str
    description: str
    input_schema: dict[str, object]
    """JSON Schema of the arguments object."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of the history, oldest first."""

    role: Literal["user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    """For `tool` messages: the call that this content answers."""


@dataclass(frozen=True, slots=True)
class AskedWord:
    """A telling word of a question, as the search counted it."""

    word: str
    """In lower case, slips corrected."""
    weight: float
    """How much it tells, 0 to 1, by its rarity in the tenant's passages."""
    rarity: float
    """In English, 0 for the commonest words, 1 for those of no vocabulary."""
    asking: bool
    """Whether it stands in a sentence that asks; what leads to the question tells less."""
    known: bool
    """Whether any article of the tenant has it."""
    held: bool
    """Whether what was found of the best article has it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the search understood it, and how what it found stands out."""

    text: str
    """The question, slips corrected."""
    asking: str
    """Its sentences that ask, as they were searched for."""
    words: tuple[AskedWord, ...]
    held: float
    """Share of the weight of the words that ask which one passage holds, 0 to 1."""
    nearest: float
    """Cosine of the nearest passage; 0 without vectors."""
    ahead: float
    """How far it is above the mean of the passages found, in their standard deviations."""
    alone: float
    """0 where many articles fit alike, up to 1 where one fits alone."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of the knowledge base that an answer may rest on."""

    number: int
    """1-based; the answer cites it as `[number]`."""
    article_id: str
    chunk_id: str
    title: str
    heading_path: tuple[str, ...]
    """Headings from the article's top to the passage, without the title."""
    source_path: str
    url: str
    text: str
    """Plain text with light Markdown (lists, code)."""
    relevance: float
    """0 to 1."""
    start: int = 0
    """Offset of the passage in the article's content, in characters."""
    end: int = 0
    known: float = 1.0
    """Share of the weight of the question's words that occur anywhere in the tenant's articles, the same for every
    passage of an answer; 1 where nobody counted."""
    asked: Asked | None = None
    """What the search made of the question, the same for every passage of an answer; None where nobody searched."""


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What is known of the person and the page. Informs the answer, never widens a right."""

    user_name: str = ""
    role: str = ""
    plan: str = ""
    current_page: str = ""
    company_name: str = ""
    language: str = ""
    """BCP 47 tag, empty when unknown."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One answer to give."""

    messages: tuple[ChatMessage, ...]
    """History, oldest first; the last one is the user's message to answer."""
    passages: tuple[Passage, ...] = ()
    """Retrieved evidence, best first, numbered from 1."""
    disagreeing: tuple[tuple[int, int], ...] = ()
    """Numbers of passages, in pairs, that seem to give differing figures for the same thing."""
    system: str = ""
    """System prompt. Providers that call a model put the passages behind it themselves by `prompt.with_passages`."""
    stands_alone: bool = False
    """The system prompt is all there is: nothing is said about passages, or that there are none."""
    context: AnswerContext = field(default_factory=AnswerContext)
    tools: tuple[ToolSpec, ...] = ()
    model: str = ""
    """Empty: the provider's default."""
    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one provider call."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """Part of `input_tokens` that the provider read from its cache."""


@dataclass(frozen=True, slots=True)
class TextChunk:
    """Next piece of the answer, as it arrived."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """The model began a tool call; its arguments follow whole in `Finished.tool_calls`."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every stream that did not raise."""

    reason: FinishReason
    model: str
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    confidence: float | None = None
    """0 to 1 where the provider can tell; else the pipeline estimates it from the evidence."""
    grounded: bool | None = None
    """False when the provider said that it does not know; None when it can't tell."""
    follow_ups: tuple[str, ...] = ()
    """Questions to offer next, in the answer's language."""


ProviderEvent = TextChunk | ToolCallStarted | Finished


class ProviderError(Unavailable):
    """A provider call failed. `kind` says how; `retryable` whether another attempt or provider may do better.

    Where `reached` is False the call never got to the provider and cost nothing. None: it was sent and cut off before
    any sign of life, so that nobody here knows.
    """

    reason = "PROVIDER_UNAVAILABLE"

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        kind: Literal[
            "rate_limited",
            "overloaded",
            "context_too_long",
            "refused",
            "bad_key",
            "bad_request",
            "connect_timeout",
            "first_token_timeout",
            "token_timeout",
            "response_timeout",
            "cut",
            "malformed",
            "server",
        ],
        retryable: bool,
        retry_after: float | None = None,
        reached: bool | None = True,
    ) -> None:
        super().__init__(message, retry_after=retry_after, metadata={"provider": provider, "kind": kind})
        self.provider = provider
        self.reached = reached
        self.kind = kind
        self.retryable = retryable


class Provider(Protocol):
    """A source of answers."""

    @property
    def name(self) -> str:
        """Short name, such as `builtin`, `openai`."""
        ...

    @property
    def default_model(self) -> str:
        """Model used where a request names none."""
        ...

    def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Answer `request`. Ends with one `Finished` or raises `ProviderError`. Closing the generator ends the call."""
        ...

    async def close(self) -> None:
        """Release connections. The provider is not used afterwards."""
        ...
