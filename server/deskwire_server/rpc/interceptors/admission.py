"""Keeps a worker from taking more calls than it can carry."""

from __future__ import annotations

from deskwire_server.errors import ResourceExhausted
from deskwire_server.rpc.call import Call

_ALWAYS_ADMITTED = ("grpc.health.v1.Health",)


class Admission:
    """Refuses calls over a limit of open ones. Sizes of messages and headers are limited by the server's options."""

    def __init__(self, max_open_calls: int) -> None:
        self._max_open_calls = max_open_calls
        self._open = 0

    async def enter(self, call: Call) -> None:
        """Count the call while it runs."""
        if self._open >= self._max_open_calls and call.service not in _ALWAYS_ADMITTED:
            raise ResourceExhausted(
                "the server is at its limit", subject="worker:open_calls", retry_after=1.0, reason="OVERLOADED"
            )
        self._open += 1

    def leave(self, call: Call) -> None:
        """It runs no more."""
        self._open -= 1
