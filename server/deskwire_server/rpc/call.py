"""One call as the interceptors see it."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import grpc

from deskwire_server.auth.caller import Caller
from deskwire_server.errors import Unauthenticated


@dataclass(slots=True)
class Call:
    """State of one call, shared by the stages of the chain."""

    method: str
    """Full name, such as `/deskwire.v1.ChatService/Chat`."""
    streaming: bool
    """Whether either side streams."""
    headers: dict[str, str]
    """Text headers, lower case; of a name sent twice the last."""
    context: grpc.aio.ServicerContext[Any, Any]
    request_id: str = ""
    caller: Caller | None = None
    code: str = "OK"
    """gRPC status name that the call ended with."""
    reason: str = ""
    """`ErrorReason` that it ended with."""
    passed: int = 0
    """Inner stages that the call has entered."""
    counted_as: tuple[str, str] | None = None
    """Tenant and user whose open streams it is one of. Kept, since a service may go on as another caller."""
    started: float = field(default_factory=time.perf_counter)

    @property
    def service(self) -> str:
        """Name of the service, such as `deskwire.v1.ChatService`."""
        return self.method[1:].partition("/")[0]


_current: ContextVar[Call] = ContextVar("deskwire_call")


def enter(call: Call) -> None:
    """Make `call` the current one of this task. Never reset: each call has a task, and so a context, of its own."""
    _current.set(call)


def current_caller() -> Caller:
    """The verified caller of the current call."""
    caller = _current.get().caller
    if caller is None:
        raise Unauthenticated("the call carries no bearer token", reason="TOKEN_MISSING")
    return caller


def replace_caller(caller: Caller) -> None:
    """Go on in the current call as `caller`: a service account that acts for a user."""
    _current.get().caller = caller
