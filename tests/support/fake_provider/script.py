"""What the fake provider is told to do with one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self


@dataclass(frozen=True)
class ScriptedCall:
    """A tool call of the answer; its arguments go out in fragments of a few letters."""

    name: str
    arguments: str
    """JSON text."""
    id: str = ""
    """Empty: one in the protocol's manner."""


@dataclass(frozen=True)
class Script:
    """One answer, with the faults it meets. Times are seconds; events are counted from 0, in the order of the wire."""

    text: str | None = None
    """None: an answer to the question that cites passage 1 where the prompt has one. Empty: no text."""
    tool_calls: tuple[ScriptedCall, ...] = ()
    finish: Literal["stop", "length", "refusal"] = "stop"
    cached_tokens: int = 0
    usage: bool = True
    terminal: bool = True
    """Whether the last event of the protocol is sent (`[DONE]`, `message_stop`)."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error_code: str = ""
    """Code and type in the error body of a status other than 200; empty: what the protocol has for the status."""
    error_message: str = ""
    redirect_to: str = ""
    """Answers with 307 and this address."""
    content_type: str = "text/event-stream"

    delay: float = 0
    """Before anything is sent."""
    first_token_delay: float = 0
    """Between the headers and the first event."""
    pace: float = 0
    """Between two events."""
    stall_at: int | None = None
    """Nothing from this event on, with the connection open."""
    pings: float | None = None
    """Comments and pings at this interval while it waits for the first token or stalls."""
    cut_at: int | None = None
    """The connection is closed before this event."""
    cut_at_byte: int | None = None
    """The connection is closed behind this many bytes of the body."""
    garble_at: int | None = None
    """This event's JSON is broken."""
    huge_at: int | None = None
    """This event is a line of 4 MiB."""
    error_at: int | None = None
    """An error event of `error_code` takes the place of this event, and the stream ends."""
    chunk_bytes: int | None = None
    """The body goes out in pieces of this size, whatever the events' borders."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """A script out of JSON. Raises TypeError for unknown names."""
        calls = tuple(ScriptedCall(**call) for call in values.get("tool_calls", ()))
        return cls(**{**values, "tool_calls": calls})

    def as_json(self) -> dict[str, Any]:
        """The script as `of` takes it."""
        return asdict(self)
