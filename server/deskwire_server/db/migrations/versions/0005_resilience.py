"""Watchers across workers, calls of lost attempts, and how long events and request ids are kept."""

from __future__ import annotations

from importlib.resources import files

from deskwire_server.db.migrations.scripts import run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create all of it."""
    run(files("deskwire_server.db.migrations").joinpath("resilience_0005.sql").read_text())
