"""Durable background work, summaries, and the event stream of a tenant."""

from __future__ import annotations

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create all of it."""
