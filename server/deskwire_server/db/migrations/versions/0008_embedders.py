"""Named embedders side by side, audiences of articles, and indexes by tenant size."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create all of it."""
