"""The one place where domain errors become gRPC statuses."""

from __future__ import annotations

import math

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from deskwire_server.errors import DomainError, FieldViolation, ResourceExhausted

DOMAIN = "deskwire"


def from_error(error: DomainError) -> status_pb2.Status:
    """The status of a domain error: `ErrorInfo`, and `BadRequest`, `RetryInfo`, `QuotaFailure` where they fit."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)]
    if error.violations:
        details.append(_bad_request(error.violations))
    if error.retry_after is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_after)))
    if isinstance(error, ResourceExhausted):
        violation = error_details_pb2.QuotaFailure.Violation(subject=error.subject, description=error.message)
        details.append(error_details_pb2.QuotaFailure(violations=[violation]))
    return _status(error.code, error.message, details)


def internal(request_id: str) -> status_pb2.Status:
    """The status of a fault: nothing but the request id, under which the log tells the rest."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"request_id": request_id})
    return _status("INTERNAL", "something went wrong on our side", [info])


def to_grpc(status: status_pb2.Status) -> grpc.Status:
    """The status as `abort_with_status` takes it."""
    converted: grpc.Status = rpc_status.to_status(status)
    return converted


def _bad_request(violations: tuple[FieldViolation, ...]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=violation.field, description=violation.description, reason=_reason(violation.rule)
            )
            for violation in violations
        ]
    )


def _reason(rule: str) -> str:
    """A rule's name in the spelling that `FieldViolation.reason` asks for."""
    return rule.upper().replace(".", "_").replace("-", "_")[:63]


def _duration(seconds: float) -> duration_pb2.Duration:
    whole = math.floor(seconds)
    return duration_pb2.Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))


def _status(code: str, message: str, details: list[Message]) -> status_pb2.Status:
    packed = []
    for detail in details:
        envelope = any_pb2.Any()
        envelope.Pack(detail)
        packed.append(envelope)
    return status_pb2.Status(code=code_pb2.Code.Value(code), message=message, details=packed)
