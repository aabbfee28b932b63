"""Errors that calls raise, with the contract's reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deskwire_client.models import Message


@dataclass(frozen=True)
class FieldViolation:
    """One field of a request that broke one rule."""

    field: str
    """Path of the field as the contract spells it, such as `message.text`."""
    description: str
    """What the field must be, in a sentence."""
    rule: str = ""
    """Identifier of the rule, such as `string.max_len`; empty when the server named none."""


class DeskwireError(Exception):
    """A call that did not succeed. Catch a subclass for one gRPC code, branch on `reason` for one cause."""

    code: str = "UNKNOWN"
    """Name of the gRPC status code, such as `NOT_FOUND`."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        """A sentence for people. It may change between versions."""
        if code is not None:
            self.code = code
        self.reason = reason
        """A value of the contract's `ErrorReason` without its prefix; empty when not the server itself answered."""
        self.metadata: Mapping[str, str] = dict(metadata or {})
        """Details of the reason, such as `{"resource": "article"}`."""
        self.violations = tuple(violations)
        """Fields that broke a rule; only with `INVALID_ARGUMENT`."""
        self.retry_after = retry_after
        """Seconds after which the same call may work, where the server said so."""
        self.request_id = request_id
        """The server's id of this call, for its logs; empty when it is not known."""

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed later: a part is away, or the connection was cut on the way."""
        if self.reason in _FINAL_REASONS:
            return False
        if self.code == "UNAVAILABLE":
            return True
        if self.reason:
            return False
        return self.code == "UNKNOWN" or any(sign in self.message for sign in _SIGNS_OF_A_CUT)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, code={self.code!r}, reason={self.reason!r})"


_SIGNS_OF_A_CUT = ("RST_STREAM", "Internal error from Core")
"""What gRPC says without the server's details when a proxy resets a stream, or the connection dies under a write."""
_FINAL_REASONS = frozenset({"PROVIDER_UNAVAILABLE", "RESPONSE_TIMEOUT"})
"""Say that the answer itself failed: asking again is the caller's decision."""


class InvalidArgumentError(DeskwireError):
    """The request breaks a rule of the contract; `violations` name the fields."""

    code = "INVALID_ARGUMENT"


class UnauthenticatedError(DeskwireError):
    """The token is missing, wrong, expired or revoked."""

    code = "UNAUTHENTICATED"


class PermissionDeniedError(DeskwireError):
    """The caller is known and may not do this."""

    code = "PERMISSION_DENIED"


class NotFoundError(DeskwireError):
    """Nothing of this kind is visible to the caller."""

    code = "NOT_FOUND"


class AlreadyExistsError(DeskwireError):
    """Something with this unique name exists."""

    code = "ALREADY_EXISTS"


class FailedPreconditionError(DeskwireError):
    """The request is sound but the state does not allow it."""

    code = "FAILED_PRECONDITION"


class AbortedError(DeskwireError):
    """Somebody else changed it in between: read again, then retry."""

    code = "ABORTED"


class OutOfRangeError(DeskwireError):
    """A cursor beyond what exists."""

    code = "OUT_OF_RANGE"


class ResourceExhaustedError(DeskwireError):
    """A quota is used up; `retry_after` says for how long."""

    code = "RESOURCE_EXHAUSTED"


class UnavailableError(DeskwireError):
    """The server or a part that it needs can't be reached, and stayed away for as long as the retries lasted."""

    code = "UNAVAILABLE"


class DeadlineExceededError(DeskwireError):
    """The call took longer than its timeout. It may have had its effect."""

    code = "DEADLINE_EXCEEDED"


class CallCancelledError(DeskwireError):
    """The call was cancelled on its way by something other than this program."""

    code = "CANCELLED"


class UnimplementedError(DeskwireError):
    """The server does not know this call."""

    code = "UNIMPLEMENTED"


class InternalError(DeskwireError):
    """A fault of the server; `request_id` finds it in its logs."""

    code = "INTERNAL"


class AnswerFailedError(DeskwireError):
    """The turn ended without an answer. The question is kept."""

    code = "UNAVAILABLE"

    def __init__(self, message: str, *, reason: str, retryable: bool, partial_message: Message | None) -> None:
        super().__init__(message, reason=reason)
        self.retryable = retryable
        """Whether sending the question again may help."""
        self.partial_message = partial_message
        """What had been written, if anything."""

    @property
    def transient(self) -> bool:
        """Never: the same request id would join the failed turn."""
        return False


class AnswerCancelledError(DeskwireError):
    """The turn was stopped before the answer was whole."""

    code = "ABORTED"

    def __init__(self, message: str, *, reason: str, partial_message: Message | None) -> None:
        super().__init__(message, reason=reason)
        self.partial_message = partial_message
        """What had been written, if anything."""
