"""One log line and the metrics of every call, refused ones included."""

from __future__ import annotations

import time

import structlog

from deskwire_server.metrics import Metrics, labelled
from deskwire_server.rpc.call import Call

_log = structlog.get_logger("deskwire.access")
_QUIET = ("grpc.health.v1.Health", "grpc.channelz.v1.Channelz")


class AccessLog:
    """Stands outside error mapping, so that it sees every code."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open = {True: metrics.open_calls.labels("stream"), False: metrics.open_calls.labels("unary")}

    async def enter(self, call: Call) -> None:
        """Count the call as open."""
        self._open[call.streaming].inc()

    def leave(self, call: Call) -> None:
        """Time the call and write its line."""
        self._open[call.streaming].dec()
        seconds = time.perf_counter() - call.started
        labelled(self._metrics.calls, call.method, call.code).inc()
        labelled(self._metrics.call_seconds, call.method).observe(seconds)
        if call.code != "OK" or call.service not in _QUIET:
            _log.info(
                "call",
                method=call.method,
                code=call.code,
                reason=call.reason or None,
                milliseconds=round(seconds * 1000, 2),
                tenant=call.caller.tenant if call.caller else None,
                user=call.caller.user_id if call.caller else None,
            )
