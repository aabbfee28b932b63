"""Watchers across workers, and how long events and request ids are kept."""

from __future__ import annotations

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create all of it."""
