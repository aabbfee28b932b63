"""Turns a failed gRPC call into a typed error."""

from __future__ import annotations

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from deskwire_client import errors

_DETAILS_KEY = "grpc-status-details-bin"
_BY_CODE: dict[str, type[errors.DeskwireError]] = {
    kind.code: kind
    for kind in (
        errors.InvalidArgumentError,
        errors.UnauthenticatedError,
        errors.PermissionDeniedError,
        errors.NotFoundError,
        errors.AlreadyExistsError,
        errors.FailedPreconditionError,
        errors.AbortedError,
        errors.OutOfRangeError,
        errors.ResourceExhaustedError,
        errors.UnavailableError,
        errors.DeadlineExceededError,
        errors.CallCancelledError,
        errors.UnimplementedError,
        errors.InternalError,
    )
}


def error_of(failure: grpc.aio.AioRpcError) -> errors.DeskwireError:
    """The typed error of a failed call, with whatever details the server sent."""
    code = failure.code().name
    trailers = list(failure.trailing_metadata() or ())
    status = _status(trailers)
    info, bad_request, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    retry_after = None
    for detail in status.details:
        if detail.Is(retry.DESCRIPTOR) and detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
        elif detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(bad_request.DESCRIPTOR):
            detail.Unpack(bad_request)
    return _BY_CODE.get(code, errors.DeskwireError)(
        failure.details() or code.replace("_", " ").lower(),
        code=code,
        reason=info.reason,
        metadata=info.metadata,
        violations=[errors.FieldViolation(v.field, v.description, v.reason) for v in bad_request.field_violations],
        retry_after=retry_after,
        request_id=info.metadata.get("request_id", "") or _text(trailers, "x-request-id"),
    )


def _status(trailers: list[tuple[str, str | bytes]]) -> status_pb2.Status:
    for key, value in trailers:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return status_pb2.Status()
    return status_pb2.Status()


def _text(trailers: list[tuple[str, str | bytes]], wanted: str) -> str:
    return next((value for key, value in trailers if key == wanted and isinstance(value, str)), "")
