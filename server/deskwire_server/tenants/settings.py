"""What a tenant may set for itself, how it is spelled, and what holds where it is silent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

from deskwire_server.errors import InvalidArgument

SHORTEST_GRACE = 5.0
LONGEST_GRACE = 86_400.0
MOST_NAMES = 500
LONGEST_NAME = 200
"""Characters, other spellings counted."""


@dataclass(frozen=True, slots=True)
class WhenAbandoned:
    """What becomes of an answer that nobody watches."""

    then: Literal["cancel", "finish"] = "cancel"
    after: float = 60.0
    """Seconds without a watcher."""


def when_abandoned(settings: Mapping[str, Any], default_grace: float) -> WhenAbandoned:
    """The tenant's own rule, the server's grace where it has none. Values that make no sense count as absent."""
    then, after = settings.get("when_abandoned"), settings.get("abandon_grace_seconds")
    return WhenAbandoned(
        "finish" if then == "finish" else "cancel",
        float(after) if isinstance(after, int | float) and not isinstance(after, bool) else default_grace,
    )


class _Directory(Protocol):
    async def settings_of(self, tenant_id: UUID) -> dict[str, Any]:
        """What a tenant has set."""
        ...


def rules_of(directory: _Directory, default_grace: float) -> Callable[[UUID], Awaitable[WhenAbandoned]]:
    """A function that gives each tenant's rule, where it has none that of the server."""

    async def rule(tenant_id: UUID) -> WhenAbandoned:
        return when_abandoned(await directory.settings_of(tenant_id), default_grace)

    return rule


def parse(assignments: list[str]) -> dict[str, Any]:
    """Read `key=value` words. An empty value takes the setting back (None). Raises `InvalidArgument`."""
    values: dict[str, Any] = {}
    for word in assignments:
        key, found, value = word.partition("=")
        if not found or key not in _READERS:
            known = ", ".join(sorted(_READERS))
            raise InvalidArgument.field(key or "setting", f"must be key=value with one of these keys: {known}")
        values[key] = _READERS[key](key, value) if value else None
    return values


def _choice(*allowed: str) -> Callable[[str, str], Any]:
    def read(key: str, value: str) -> str:
        if value not in allowed:
            raise InvalidArgument.field(key, f"must be one of {', '.join(allowed)}")
        return value

    return read


def _seconds(key: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = float("nan")
    if not SHORTEST_GRACE <= seconds <= LONGEST_GRACE:
        raise InvalidArgument.field(key, f"must be {SHORTEST_GRACE:g} to {LONGEST_GRACE:g} seconds")
    return seconds


def _names(key: str, value: str) -> list[str]:
    """Names with commas between, each with its other spellings behind strokes: `Google Ads|adwords, Slack`."""
    names = [
        "|".join(spelling for part in name.split("|") if (spelling := " ".join(part.split())))
        for name in value.split(",")
    ]
    names = list(dict.fromkeys(name for name in names if name))
    if not 0 < len(names) <= MOST_NAMES or any(len(name) > LONGEST_NAME for name in names):
        raise InvalidArgument.field(
            key, f"must be 1 to {MOST_NAMES} names with commas between, each of {LONGEST_NAME} characters at most"
        )
    return names


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "when_abandoned": _choice("cancel", "finish"),
    "abandon_grace_seconds": _seconds,
    "products": _names,
    "integrations": _names,
}
