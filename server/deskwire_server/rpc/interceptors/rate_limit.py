"""Limits calls a minute and open streams of one user."""

from __future__ import annotations

import time
from collections import Counter

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter

from deskwire_server.errors import ResourceExhausted
from deskwire_server.rpc.call import Call

_log = structlog.get_logger(__name__)
_RETRY_SHARED_AFTER = 5.0


class RateLimit:
    """Counts in Redis for all workers together; while Redis is away each worker counts for itself."""

    def __init__(self, *, calls_per_minute: int, max_streams_per_user: int, shared: Storage | None) -> None:
        self._item = RateLimitItemPerMinute(calls_per_minute) if calls_per_minute else None
        self._max_streams = max_streams_per_user
        self._streams: Counter[tuple[str, str]] = Counter()
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._shared = MovingWindowRateLimiter(shared) if shared is not None else None
        self._shared_away_until = 0.0

    async def enter(self, call: Call) -> None:
        """Refuse the call with the time to wait, or count its stream while it is open."""
        if call.caller is None:
            return
        key = (call.caller.tenant, call.caller.user_id)
        if self._item is not None and not await self._hit(*key):
            raise ResourceExhausted(
                f"more than {self._item.amount} calls in a minute",
                subject="user:calls_per_minute",
                retry_after=await self._wait(*key),
            )
        if not call.streaming:
            return
        if self._streams[key] >= self._max_streams:
            raise ResourceExhausted(
                f"more than {self._max_streams} open streams",
                subject="user:open_streams",
                retry_after=1.0,
                reason="TOO_MANY_STREAMS",
            )
        self._streams[key] += 1
        call.counted_as = key

    def leave(self, call: Call) -> None:
        """The stream is closed."""
        key = call.counted_as
        if key is not None:
            self._streams[key] -= 1
            if not self._streams[key]:
                del self._streams[key]

    async def _hit(self, *key: str) -> bool:
        assert self._item is not None
        if self._shared is not None and time.monotonic() >= self._shared_away_until:
            try:
                return await self._shared.hit(self._item, *key)
            except Exception as error:
                # Whatever the storage raises: a limit that can't be read must not stop the service.
                self._shared_away_until = time.monotonic() + _RETRY_SHARED_AFTER
                _log.warning("shared_rate_limit_away", error=str(error))
        return await self._local.hit(self._item, *key)

    async def _wait(self, *key: str) -> float:
        assert self._item is not None
        limiter = self._local
        if self._shared is not None and time.monotonic() >= self._shared_away_until:
            limiter = self._shared
        stats = await limiter.get_window_stats(self._item, *key)
        return max(0.1, stats.reset_time - time.time())
