"""Which kind of problem a message tells of, and what helps: read from a data file once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Issue:
    """A kind of problem."""

    category: str
    """Such as `connection_problem`."""
    actions: tuple[str, ...]
    """Names of what to do about it."""


@lru_cache(maxsize=1)
def _known() -> tuple[frozenset[str], tuple[tuple[Issue, frozenset[str]], ...]]:
    data = tomllib.loads(resources.files(__package__).joinpath("issues.toml").read_text(encoding="utf-8"))
    trouble = frozenset(data.pop("trouble").split())
    return trouble, tuple(
        (Issue(name, tuple(entry["actions"])), frozenset(entry["words"].split())) for name, entry in data.items()
    )


def find(message: str) -> Issue | None:
    """The kind of problem that `message` tells of; None where it tells of none."""
    trouble, issues = _known()
    words = {word.lower().replace("’", "'") for word in _WORD.findall(message)}
    if not words & trouble:
        return None
    hits, _, found = max(
        ((len(words & own), -place, issue) for place, (issue, own) in enumerate(issues)), key=lambda each: each[:2]
    )
    return found if hits else None
