"""Who calls: the tenant, the user and the role that a verified token speaks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from deskwire_server.errors import InvalidArgument, PermissionDenied

LONGEST_USER_ID = 200
"""Characters of a user id."""


class Role(StrEnum):
    """Roles, from the least to the most powerful in one tenant."""

    USER = "user"
    AGENT = "agent"
    ADMIN = "admin"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller. Every right follows from this, never from a request's body."""

    tenant_id: UUID
    tenant: str
    """The tenant's slug."""
    user_id: str
    role: Role
    token_id: str = ""
    """The token's `jti`, for the audit; empty if it has none."""
    plan: str = ""
    """The token's `plan`: decides with the role which articles are shown; empty if it has none."""
    languages: tuple[str, ...] = ()
    """The token's `langs`, BCP 47 tags; empty if it has none."""
    acts_for_user: bool = False
    """Whether a service acts for a user that it named."""

    def require(self, *roles: Role) -> None:
        """Raise `PermissionDenied` unless the caller has one of `roles`."""
        if self.role not in roles:
            raise PermissionDenied(
                "your role may not do this", metadata={"required": ",".join(role.value for role in roles)}
            )

    @property
    def sees_all(self) -> bool:
        """Whether other users' conversations are visible."""
        return self.role is not Role.USER

    def acting_for(self, user_id: str, *, field: str) -> Caller:
        """The same caller on behalf of a user. Only a service may act for others; for all else nothing changes.

        Raises `InvalidArgument` that names `field` when a service names what is no user id.
        """
        if self.role is not Role.SERVICE or not user_id:
            return self
        if len(user_id) > LONGEST_USER_ID or not user_id.isprintable():
            raise InvalidArgument.field(
                field, f"must be a user id of at most {LONGEST_USER_ID} printable characters", "id.printable"
            )
        return replace(self, user_id=user_id, acts_for_user=True)

    def require_tenant(self, tenant: str) -> None:
        """Refuse a request whose body names another tenant than the token."""
        if tenant and tenant not in (self.tenant, str(self.tenant_id)):
            raise PermissionDenied("the request names another tenant than the token", reason="TENANT_MISMATCH")
