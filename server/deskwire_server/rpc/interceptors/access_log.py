"""One log line and the metrics of every call, refused ones included."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Counter, Histogram

from deskwire_server.metrics import Metrics
from deskwire_server.rpc.call import Call

_log = structlog.get_logger("deskwire.access")
_QUIET = ("grpc.health.v1.Health", "grpc.channelz.v1.Channelz")


class AccessLog:
    """Stands outside error mapping, so that it sees every code."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open = {True: metrics.open_calls.labels("stream"), False: metrics.open_calls.labels("unary")}
        self._meters: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        """Those of each method and code, which are found by name only once."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Time the call and write its line when it ends."""
        open_calls = self._open[call.streaming]
        open_calls.inc()
        try:
            yield
        except GeneratorExit:
            call.code = "CANCELLED"
            raise
        finally:
            open_calls.dec()
            seconds = time.perf_counter() - call.started
            calls, call_seconds = self._meters.get((call.method, call.code)) or self._found(call.method, call.code)
            calls.inc()
            call_seconds.observe(seconds)
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

    def _found(self, method: str, code: str) -> tuple[Counter, Histogram]:
        meters = self._metrics.calls.labels(method, code), self._metrics.call_seconds.labels(method)
        self._meters[method, code] = meters
        return meters
