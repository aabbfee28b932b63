"""Intents with examples, trained heads, and query patterns."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create all of it."""
