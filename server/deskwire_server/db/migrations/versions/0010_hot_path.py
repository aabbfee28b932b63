"""The steps of a turn with fewer statements inside."""

from __future__ import annotations

from importlib.resources import files

from deskwire_server.db.migrations.scripts import run

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Replace the functions."""
    run(files("deskwire_server.db.migrations").joinpath("hot_path_0010.sql").read_text())
