"""Limits of one user, with Redis and without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import pytest
from limits.aio.storage import MemoryStorage

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.errors import ResourceExhausted
from deskwire_server.rpc.call import Call
from deskwire_server.rpc.interceptors import rate_limit
from deskwire_server.rpc.interceptors.rate_limit import RateLimit


def a_call(user: str = "ana", *, streaming: bool = False, tenant: str = "acme", known: bool = True) -> Call:
    call = Call("/x/Y", streaming, {}, None)  # type: ignore[arg-type]
    call.caller = Caller(uuid4(), tenant, user, Role.USER) if known else None
    return call


@asynccontextmanager
async def passing(limit: RateLimit, call: Call) -> AsyncIterator[None]:
    await limit.enter(call)
    try:
        yield
    finally:
        limit.leave(call)


class BrokenStorage(MemoryStorage):
    """A Redis that is away."""

    calls = 0

    async def acquire_entry(self, *_: Any, **__: Any) -> bool:
        self.calls += 1
        raise ConnectionError("redis is away")


async def test_calls_a_minute_count_for_each_user_of_each_tenant() -> None:
    limit = RateLimit(calls_per_minute=2, max_streams_per_user=9, shared=None)
    for call in (a_call(), a_call(), a_call("ben"), a_call(tenant="globex")):
        async with passing(limit, call):
            pass
    with pytest.raises(ResourceExhausted) as refused:
        async with passing(limit, a_call()):
            pass
    assert refused.value.reason == "RATE_LIMITED"
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 60


async def test_nobody_is_limited_where_no_limit_is_set_or_nobody_is_known() -> None:
    unlimited = RateLimit(calls_per_minute=0, max_streams_per_user=9, shared=None)
    strict = RateLimit(calls_per_minute=1, max_streams_per_user=1, shared=None)
    for _ in range(5):
        async with passing(unlimited, a_call()), passing(strict, a_call(known=False, streaming=True)):
            pass


async def test_open_streams_are_given_back() -> None:
    limit = RateLimit(calls_per_minute=0, max_streams_per_user=1, shared=None)
    for _ in range(3):
        with suppress(RuntimeError):
            async with passing(limit, a_call(streaming=True)):
                with pytest.raises(ResourceExhausted) as refused:
                    await enter(limit, a_call(streaming=True))
                assert refused.value.reason == "TOO_MANY_STREAMS"
                async with passing(limit, a_call("ben", streaming=True)), passing(limit, a_call()):
                    raise RuntimeError
    assert not limit._streams


async def enter(limit: RateLimit, call: Call) -> None:
    async with passing(limit, call):
        pass


async def test_without_redis_each_worker_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = BrokenStorage()
    limit = RateLimit(calls_per_minute=2, max_streams_per_user=9, shared=storage)
    for _ in range(2):
        async with passing(limit, a_call()):
            pass
    with pytest.raises(ResourceExhausted) as refused:
        async with passing(limit, a_call()):
            pass
    assert refused.value.retry_after is not None
    assert storage.calls == 1, "one failure in a while is enough"
    monkeypatch.setattr(rate_limit, "_RETRY_SHARED_AFTER", 0.0)
    limit._shared_away_until = 0.0
    with pytest.raises(ResourceExhausted):
        async with passing(limit, a_call()):
            pass
    assert storage.calls == 2
