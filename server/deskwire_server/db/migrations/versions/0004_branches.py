"""Branches of a conversation, and its owner's fencing token in every step of a turn."""

from __future__ import annotations

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create all of it."""
