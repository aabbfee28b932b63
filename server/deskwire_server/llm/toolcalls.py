"""Puts the fragments of streamed tool calls together."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from deskwire_server.llm.decoder import MalformedError
from deskwire_server.llm.port import FinishReason, ToolCall


@dataclass(slots=True)
class PendingCall:
    """A tool call that is still arriving."""

    id: str
    name: str
    arguments: list[str] = field(default_factory=list)


def completed(pending: list[PendingCall], reason: FinishReason) -> tuple[ToolCall, ...]:
    """The calls with whole JSON arguments, `{}` where none came.

    An answer that met its limit of tokens may end inside of a call: such a call is left out. Raises MalformedError
    where arguments are no JSON object for another reason.
    """
    calls = []
    for call in pending:
        arguments = "".join(call.arguments).strip() or "{}"
        try:
            whole = isinstance(orjson.loads(arguments), dict)
        except orjson.JSONDecodeError:
            whole = False
        if whole:
            calls.append(ToolCall(call.id, call.name, arguments))
        elif reason is not FinishReason.LENGTH:
            raise MalformedError("the arguments of a tool call are no JSON object")
    return tuple(calls)
