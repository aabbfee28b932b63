"""What the demo tenant holds: the articles and users that lie beside this module."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

TENANT = "demo"
TENANT_NAME = "Brindlewave"
_FORMAT = "1"
"""Part of the fingerprint: raised when the loader writes something else from the same files."""


@dataclass(frozen=True, slots=True)
class DemoArticle:
    """One help article as it lies on disk."""

    source_path: str
    """Path relative to the folder of articles, such as `billing/refunds.md`."""
    data: bytes


@dataclass(frozen=True, slots=True)
class DemoUser:
    """One person or service of the demo tenant."""

    user_id: str
    display_name: str
    email: str
    role: str
    attributes: dict[str, Any]


def articles() -> tuple[DemoArticle, ...]:
    """All articles, by path."""
    root = resources.files(__package__).joinpath("articles")
    found = [
        DemoArticle(f"{folder.name}/{file.name}", file.read_bytes())
        for folder in root.iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.name.endswith(".md")
    ]
    return tuple(sorted(found, key=lambda article: article.source_path))


def users() -> tuple[DemoUser, ...]:
    """A user of each role."""
    entries = json.loads(_file("users.json").read_text(encoding="utf-8"))
    return tuple(
        DemoUser(entry["userId"], entry["displayName"], entry["email"], entry["role"], entry["attributes"])
        for entry in entries
    )


def fingerprint() -> str:
    """Changes whenever an article or a user does."""
    digest = hashlib.sha256(_FORMAT.encode())
    digest.update(_file("users.json").read_bytes())
    for article in articles():
        digest.update(article.source_path.encode())
        digest.update(hashlib.sha256(article.data).digest())
    return digest.hexdigest()


def _file(name: str) -> Traversable:
    return resources.files(__package__).joinpath(name)
