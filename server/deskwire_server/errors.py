"""The base of every error that leaves a service.

A domain error names a reason of the contract's `ErrorReason`, carries metadata that is safe to show, and says by its
class which gRPC code it becomes. It never carries ids that the caller did not send, SQL, or another tenant's data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that broke one rule."""

    field: str
    """Path in the request as the contract spells it, such as `message.text`."""
    description: str
    """What the field must be, in a sentence."""
    rule: str = ""
    """Identifier of the rule, such as `string.max_len`."""


class DomainError(Exception):
    """Base of errors with a reason of the contract.

    `reason` is a value name of `ErrorReason` without its `ERROR_REASON_` prefix; `code` a gRPC status code's name.
    """

    code: str = "INTERNAL"
    reason: str = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after


class InvalidArgument(DomainError):
    """The request breaks a rule of the contract, whatever the state of the system."""

    code = "INVALID_ARGUMENT"
    reason = "INVALID_FIELD"

    @classmethod
    def field(cls, field: str, description: str, rule: str = "") -> InvalidArgument:
        """One field that broke one rule."""
        return cls(f"{field}: {description}", violations=(FieldViolation(field, description, rule),))


class Unauthenticated(DomainError):
    """No caller could be made out."""

    code = "UNAUTHENTICATED"
    reason = "TOKEN_INVALID"


class PermissionDenied(DomainError):
    """The caller is known and may not do this."""

    code = "PERMISSION_DENIED"
    reason = "ROLE_TOO_LOW"


class NotFound(DomainError):
    """Nothing of this kind for this caller. Another tenant's id ends here too, with the same bytes."""

    code = "NOT_FOUND"
    reason = "RESOURCE_NOT_FOUND"

    @classmethod
    def of(cls, resource: str) -> NotFound:
        """A miss of `resource`, such as `conversation`. The id asked for is left out on purpose."""
        return cls(f"{resource} not found", metadata={"resource": resource})


class AlreadyExists(DomainError):
    """Something with this unique name is there already."""

    code = "ALREADY_EXISTS"
    reason = "RESOURCE_EXISTS"


class FailedPrecondition(DomainError):
    """The request is sound but the state does not allow it."""

    code = "FAILED_PRECONDITION"
    reason = "STATE_CONFLICT"


class Aborted(DomainError):
    """Somebody else changed it in between: read again, then retry."""

    code = "ABORTED"
    reason = "ETAG_MISMATCH"


class OutOfRange(DomainError):
    """A cursor or position beyond what exists."""

    code = "OUT_OF_RANGE"
    reason = "CURSOR_AHEAD"


class ResourceExhausted(DomainError):
    """A quota is used up; `retry_after` says for how long."""

    code = "RESOURCE_EXHAUSTED"
    reason = "RATE_LIMITED"

    def __init__(self, message: str, *, subject: str, retry_after: float, reason: str | None = None) -> None:
        super().__init__(message, reason=reason, retry_after=retry_after)
        self.subject = subject
        """What the quota counts, such as `user:calls_per_minute`."""


class Unavailable(DomainError):
    """A dependency is away; the same call may work after `retry_after` seconds."""

    code = "UNAVAILABLE"
    reason = "DEPENDENCY_UNAVAILABLE"
