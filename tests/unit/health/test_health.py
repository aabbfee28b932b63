"""Health: needed parts decide, helpful ones are told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio
from prometheus_client import CollectorRegistry

from deskwire_server.health import service as module
from deskwire_server.health.service import HealthService
from deskwire_server.metrics import Metrics

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Parts:
    """A needed and a helpful part that a test takes away."""

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.stuck: set[str] = set()
        self.registry = CollectorRegistry()
        self._context: Any = None
        self.servicer = health_aio.HealthServicer()
        self.health = HealthService(
            self.servicer, services=["a.Service"], needed={"postgres": self._check("postgres")},
            helpful={"redis": self._check("redis")}, metrics=Metrics(self.registry),
        )  # fmt: skip

    def _check(self, name: str) -> module.Check:
        async def check() -> None:
            if name in self.stuck:
                await asyncio.Event().wait()
            if name in self.away:
                raise ConnectionError(name)

        return check

    async def status(self, service: str) -> int:
        found = await self.servicer.Check(health_pb2.HealthCheckRequest(service=service), self._context)
        return int(found.status)


@pytest.fixture
async def parts() -> Parts:
    return Parts()


async def test_nothing_is_ready_before_the_first_look(parts: Parts) -> None:
    assert not parts.health.report().ready
    await parts.health.look()
    assert parts.health.report().checks == {"postgres": "ok", "redis": "ok"}
    assert [await parts.status(name) for name in ("", "a.Service", "postgres", "redis")] == [SERVING] * 4


async def test_a_helpful_part_that_is_away_only_degrades(parts: Parts) -> None:
    parts.away = {"redis"}
    await parts.health.look()
    report = parts.health.report()
    assert (report.ready, report.degraded, parts.health.degraded()) == (True, ["redis"], ["redis"])
    assert [await parts.status(name) for name in ("", "a.Service", "redis")] == [SERVING, SERVING, NOT_SERVING]
    assert parts.registry.get_sample_value("deskwire_dependency_up", {"dependency": "redis"}) == 0
    parts.away = set()
    await parts.health.look()
    assert await parts.status("redis") == SERVING


async def test_a_needed_part_that_is_away_takes_the_service_down(parts: Parts) -> None:
    parts.away = {"postgres"}
    await parts.health.look()
    assert not parts.health.report().ready
    assert [await parts.status(name) for name in ("", "a.Service")] == [NOT_SERVING] * 2
    parts.away = set()
    await parts.health.look()
    assert await parts.status("") == SERVING


async def test_a_part_that_stands_still_counts_as_away(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    parts.stuck = {"postgres"}
    await parts.health.look()
    assert parts.health.report().checks["postgres"] == "down"


async def test_a_part_that_heeds_no_cancellation_does_not_hold_the_look(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    thawed = asyncio.Event()
    begun = 0

    async def frozen() -> None:
        nonlocal begun
        begun += 1
        while not thawed.is_set():
            with suppress(asyncio.CancelledError):
                await thawed.wait()

    health = HealthService(
        parts.servicer, services=[], needed={"postgres": frozen}, helpful={}, metrics=Metrics(CollectorRegistry())
    )
    for _ in range(3):
        await asyncio.wait_for(health.look(), 1)
        assert not health.report().ready
    assert begun == 1
    thawed.set()
    await health.look()
    assert health.report().ready


async def test_draining_stays_drained(parts: Parts) -> None:
    await parts.health.look()
    await parts.health.drain()
    await parts.health.look()
    assert not parts.health.report().ready
    assert [await parts.status(name) for name in ("", "a.Service")] == [NOT_SERVING] * 2
