"""Who may read an article, and as whom somebody asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.errors import InvalidArgument

ROLES = tuple(role.value for role in Role)


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom an article is for. What is empty restricts nothing."""

    roles: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    """Restricts users; agents serve customers of every plan."""
    languages: tuple[str, ...] = ()
    """BCP 47 tags in lower case. Restricts those of whom a language is known."""

    @classmethod
    def of(cls, roles: tuple[str, ...], plans: tuple[str, ...], languages: tuple[str, ...]) -> Self:
        """Each value once, languages in lower case. Raises `InvalidArgument` for a role that there is not."""
        if unknown := set(roles) - set(ROLES):
            raise InvalidArgument.field(
                "article.audience.roles", f"{sorted(unknown)[0][:40]!r} is not one of {', '.join(ROLES)}", "string.in"
            )
        lowered = tuple(language.lower() for language in languages)
        return cls(tuple(dict.fromkeys(roles)), tuple(dict.fromkeys(plans)), tuple(dict.fromkeys(lowered)))


EVERYBODY = Audience()


@dataclass(frozen=True, slots=True)
class Reader:
    """As whom somebody reads and asks: what the token says, nothing else."""

    role: str = Role.USER.value
    plan: str = ""
    languages: tuple[str, ...] = ()
    """Languages and their bases (`de-at`, `de`) in lower case; empty where none is known."""

    @classmethod
    def of(cls, caller: Caller) -> Self:
        """A service that acts for a user reads as a user without a plan, so that nothing leaks through it."""
        if caller.acts_for_user:
            return cls()
        return cls(caller.role.value, caller.plan, with_bases(caller.languages))

    @classmethod
    def from_json(cls, kept: dict[str, Any] | None) -> Self:
        """The reader that was kept with a turn; where none was, one who sees least."""
        if not kept:
            return cls()
        return cls(kept["role"], kept["plan"], tuple(kept["languages"]))

    def as_json(self) -> dict[str, Any]:
        """To be kept with a turn."""
        return {"role": self.role, "plan": self.plan, "languages": self.languages}

    @property
    def sees_all(self) -> bool:
        """Whether no audience keeps an article from this reader."""
        return self.role in (Role.ADMIN, Role.SERVICE)


ANYBODY = Reader()
"""One who sees least."""
EDITOR = Reader(Role.ADMIN.value)
"""One who sees every article of the tenant."""


def with_bases(languages: tuple[str, ...]) -> tuple[str, ...]:
    """Each language in lower case, and its base."""
    lowered = [language.lower() for language in languages]
    return tuple(dict.fromkeys([*lowered, *(language.partition("-")[0] for language in lowered)]))
