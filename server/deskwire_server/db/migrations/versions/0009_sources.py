"""Sites as sources of articles, and questions that found no answer."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create all of it."""
