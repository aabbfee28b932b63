"""Makes calls: metadata, deadlines, repeats of what may be repeated."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message as ProtoMessage

from deskwire_client import errors
from deskwire_client._auth import Tokens
from deskwire_client._retry import Backoff, RetryPolicy
from deskwire_client._status import error_of

if TYPE_CHECKING:
    from grpc.aio import UnaryUnaryMultiCallable

Request = TypeVar("Request", bound=ProtoMessage)
Response = TypeVar("Response", bound=ProtoMessage)
Result = TypeVar("Result")

_LOST = frozenset(
    {grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING, grpc.ChannelConnectivity.TRANSIENT_FAILURE}
)

Metadata = tuple[tuple[str, str], ...]


def new_request_id() -> str:
    """A request id that nobody else has."""
    return str(uuid.uuid4())


class Caller:
    """What all calls of a client share."""

    def __init__(self, channel: grpc.aio.Channel, tokens: Tokens, *, user: str | None, retry: RetryPolicy,
                 timeout: float) -> None:  # fmt: skip
        self.channel = channel
        self.tokens = tokens
        self.retry = retry
        self.timeout = timeout
        self._user = user

    def acting_for(self, user: str) -> Caller:
        """The same on behalf of a user."""
        return Caller(self.channel, self.tokens, user=user, retry=self.retry, timeout=self.timeout)

    async def metadata(self) -> Metadata:
        """Headers of the next call. Raises what the token source raises."""
        headers = []
        token = await self.tokens.current()
        if token:
            headers.append(("authorization", f"Bearer {token}"))
        if self._user:
            headers.append(("x-deskwire-user", self._user))
        return tuple(headers)

    async def unary(
        self, method: UnaryUnaryMultiCallable[Request, Response], request: Request, *, timeout: float | None = None
    ) -> Response:
        """One answer for one request, which must be a read or carry a request id, because it may be sent again.

        `timeout` bounds all tries together. Raises DeskwireError.
        """
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)

        async def once(remaining: float) -> Response:
            return await method(request, metadata=await self.metadata(), timeout=remaining)

        return await self.repeated(once, deadline)

    async def repeated(self, once: Callable[[float], Awaitable[Result]], deadline: float) -> Result:
        """Call `once` with the seconds that remain until it succeeds or fails for good. Raises DeskwireError."""
        backoff = Backoff(self.retry)
        renewed = False
        while True:
            try:
                return await once(max(0.001, deadline - time.monotonic()))
            except grpc.aio.AioRpcError as failure:
                error = error_of(failure)
            if isinstance(error, errors.UnauthenticatedError) and not renewed and self.tokens.refused(error.reason):
                renewed = True
                continue
            delay = backoff.next_delay(error.retry_after) if error.transient else None
            if delay is None or time.monotonic() + delay >= deadline:
                raise error
            await self.pause(delay, error)

    async def pause(self, delay: float, error: errors.DeskwireError) -> None:
        """Wait before a repeat: `delay` seconds, or, where the connection was lost, until it is there again.

        A wait that the server has asked for is kept.
        """
        if error.retry_after is None and self.channel.get_state(try_to_connect=True) in _LOST:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    while (state := self.channel.get_state(try_to_connect=True)) in _LOST:
                        await self.channel.wait_for_state_change(state)
        else:
            await asyncio.sleep(delay)
