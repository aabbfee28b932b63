"""Knows how every part is, and tells gRPC's health service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from deskwire_server.metrics import Metrics

_log = structlog.get_logger(__name__)
_PATIENCE = 3.0
_FAREWELL = 0.5
_GIVEN_UP = 30.0
Check = Callable[[], Awaitable[None]]
"""Raises when the part is away."""


@dataclass(frozen=True, slots=True)
class Report:
    """How the parts are."""

    checks: Mapping[str, str]
    """Part to `ok`, `degraded` (the service can do without) or `down` (it can't)."""

    @property
    def ready(self) -> bool:
        """Whether calls can be answered."""
        return "down" not in self.checks.values()

    @property
    def degraded(self) -> list[str]:
        """Parts that are away while the service runs on."""
        return sorted(part for part, state in self.checks.items() if state == "degraded")


class HealthService:
    """Checks every part in turn. The names `""` and those of the services tell whether calls can be answered; the name
    of a part tells how that part is."""

    def __init__(
        self,
        servicer: health_aio.HealthServicer,
        *,
        services: Sequence[str],
        needed: Mapping[str, Check],
        helpful: Mapping[str, Check],
        metrics: Metrics,
        interval: float = 2.0,
    ) -> None:
        self._servicer = servicer
        self._services = ("", *services)
        self._needed = needed
        self._helpful = helpful
        self._metrics = metrics
        self._interval = interval
        self._states: dict[str, str] = dict.fromkeys(needed, "down")
        self._draining = False
        self._looking: dict[str, tuple[float, asyncio.Future[None]]] = {}
        """Checks that are under way and since when, among them those that a frozen part does not answer."""

    def report(self) -> Report:
        """How the parts were when last looked at."""
        states = dict(self._states)
        if self._draining:
            states["server"] = "down"
        return Report(states)

    def degraded(self) -> list[str]:
        """Parts that are away while the service runs on."""
        return self.report().degraded

    async def watch(self) -> None:
        """Look at every part for ever; more often while calls can't be answered, so that an outage ends soon."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(self._interval if self.report().ready else self._interval / 4)
        finally:
            left = [check for _, check in self._looking.values()]
            for check in left:
                check.cancel()
            if left:
                # One that waits for a frozen part does not heed this; the worker's end must not wait for it.
                await asyncio.wait(left, timeout=_FAREWELL)

    async def look(self) -> None:
        """Look at every part once and publish what was found."""
        parts = [*self._needed.items(), *self._helpful.items()]
        results = await asyncio.gather(*(self._reachable(part, check) for part, check in parts))
        for (part, _), reachable in zip(parts, results, strict=True):
            state = "ok" if reachable else "down" if part in self._needed else "degraded"
            if self._states.get(part) != state:
                _log.info("dependency_state", dependency=part, state=state)
            self._states[part] = state
            self._metrics.dependency_up.labels(part).set(reachable)
            await self._servicer.set(part, _serving(reachable))
        if not self._draining:
            for service in self._services:
                await self._servicer.set(service, _serving(self.report().ready))

    async def drain(self) -> None:
        """Say that new calls shall go elsewhere."""
        self._draining = True
        for service in self._services:
            await self._servicer.set(service, _serving(False))

    async def _reachable(self, part: str, check: Check) -> bool:
        # Not cut off by a timeout: a driver that waits for a frozen server does not heed a cancellation either, and the
        # look would wait with it. A check that takes too long goes on by itself; for a while none is begun beside it.
        began, under_way = self._looking.get(part, (0.0, None))
        now = time.monotonic()
        if under_way is None or now - began > _GIVEN_UP:
            if under_way is not None:
                under_way.cancel()
            under_way = asyncio.ensure_future(check())
            self._looking[part] = (now, under_way)
        done, _ = await asyncio.wait({under_way}, timeout=_PATIENCE)
        if not done:
            return False
        self._looking.pop(part, None)
        (outcome,) = await asyncio.gather(under_way, return_exceptions=True)
        if isinstance(outcome, BaseException):
            # Whatever a part's client raises means the same here: it can't be reached.
            _log.debug("dependency_check_failed", error=repr(outcome))
            return False
        return True


def _serving(yes: bool) -> Any:  # the stubs have no name for the enum's values
    status = health_pb2.HealthCheckResponse
    return status.SERVING if yes else status.NOT_SERVING
