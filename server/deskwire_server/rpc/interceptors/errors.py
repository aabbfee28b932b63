"""Turns every exception of a handler into a status, so that nothing internal leaves and no caller hangs."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import grpc
import structlog

from deskwire_server.errors import DomainError
from deskwire_server.rpc import status
from deskwire_server.rpc.call import Call

_log = structlog.get_logger(__name__)


class Errors:
    """Maps domain errors to their codes and everything unknown to INTERNAL with the request id alone."""

    async def abort(self, call: Call, error: BaseException) -> NoReturn:
        """End the call with the status of what was raised."""
        if isinstance(error, DomainError):
            call.code, call.reason = error.code, error.reason
            await call.context.abort_with_status(status.to_grpc(status.from_error(error)))
        if isinstance(error, GeneratorExit):
            call.code = "CANCELLED"
            raise error
        if isinstance(error, grpc.aio.AbortError):
            raise error
        if isinstance(error, NotImplementedError):
            # What a generated servicer raises for a method that nobody wrote, such as one of a newer health service.
            call.code = "UNIMPLEMENTED"
            await call.context.abort(grpc.StatusCode.UNIMPLEMENTED, "this method is not implemented")
        if isinstance(error, asyncio.CancelledError):
            # A cancellation of the call's own task is gRPC's way to end it. One that a handler let slip from somewhere
            # else would leave the caller without any status, so it counts as a fault.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                call.code = "CANCELLED"
                raise error
        _log.error("unhandled_error", method=call.method, exc_info=error)
        call.code, call.reason = "INTERNAL", "INTERNAL"
        await call.context.abort_with_status(status.to_grpc(status.internal(call.request_id)))
        raise AssertionError("an abort always raises")
