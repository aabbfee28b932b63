"""The console that commands write to."""

from __future__ import annotations

from rich.console import Console

_UNCUT = 2_000
"""Columns of output that goes into a pipe or file, where nothing needs to be cut or wrapped."""


def screen() -> Console:
    """Standard output: as wide as the terminal, or uncut where it is none."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _UNCUT
    return console
