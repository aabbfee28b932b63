"""What a refused call tells, read the way a client reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

Detail = TypeVar("Detail", bound=Message)

INTERNAL_WORDS = (
    "traceback", "select ", "insert into", "sqlalchemy", "asyncpg", "postgres", "deskwire_server", "duplicate key",
    "relation ", ".py", ", line ", "exception",
)  # fmt: skip
"""What never stands in an error: traces, statements, names of libraries and files."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that ended with an error."""

    code: grpc.StatusCode
    message: str
    status: status_pb2.Status | None
    """The rich status; None where the gRPC library answered by itself."""

    @property
    def reason(self) -> str:
        """Reason of the `ErrorInfo`, empty when there is none."""
        info = self.detail(error_details_pb2.ErrorInfo)
        return info.reason if info is not None else ""

    @property
    def fields(self) -> list[str]:
        """The fields that the `BadRequest` names."""
        found = self.detail(error_details_pb2.BadRequest)
        return [violation.field for violation in found.field_violations] if found is not None else []

    @property
    def retry_seconds(self) -> float | None:
        """What the `RetryInfo` asks to wait."""
        info = self.detail(error_details_pb2.RetryInfo)
        return info.retry_delay.ToTimedelta().total_seconds() if info is not None else None

    def detail(self, kind: type[Detail]) -> Detail | None:
        """The detail of this kind."""
        for packed in self.status.details if self.status is not None else ():
            found = kind()
            if packed.Unpack(found):
                return found
        return None

    def assert_nothing_internal(self, *foreign: str) -> None:
        """Nothing of the machinery and none of `foreign` may stand in any part of the error."""
        text = f"{self.message}\n{self.status}".lower()
        dependency = {"dependency_unavailable": "postgres"}.get(self.reason.lower())
        for word in (*INTERNAL_WORDS, *foreign):
            assert word.lower() not in text or word == dependency, f"{word!r} leaked: {text}"


def read_refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """The refusal of a call that was made with a stub."""
    return Refusal(error.code(), error.details() or "", _status(error.trailing_metadata() or ()))


def _status(trailers: Sequence[tuple[str, str | bytes]] | grpc.aio.Metadata) -> status_pb2.Status | None:
    for key, value in trailers:
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return None
