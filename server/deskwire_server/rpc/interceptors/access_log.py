"""One log line and the metrics of every call, refused ones included."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from deskwire_server.metrics import Metrics
from deskwire_server.rpc.call import Call

_log = structlog.get_logger("deskwire.access")
_QUIET = ("grpc.health.v1.Health", "grpc.channelz.v1.Channelz")


class AccessLog:
    """Stands outside error mapping, so that it sees every code."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Time the call and write its line when it ends."""
        open_calls = self._metrics.open_calls.labels("stream" if call.streaming else "unary")
        open_calls.inc()
        try:
            yield
        except GeneratorExit:
            call.code = "CANCELLED"
            raise
        finally:
            open_calls.dec()
            seconds = time.perf_counter() - call.started
            self._metrics.calls.labels(call.method, call.code).inc()
            self._metrics.call_seconds.labels(call.method).observe(seconds)
            if call.service not in _QUIET or call.code != "OK":
                _log.info(
                    "call",
                    method=call.method,
                    code=call.code,
                    reason=call.reason or None,
                    milliseconds=round(seconds * 1000, 2),
                    tenant=call.caller.tenant if call.caller else None,
                    user=call.caller.user_id if call.caller else None,
                )
