"""`deskwire run` with fake workers, for tests of what is around them: `python -m tests.support.fake_stack`."""

from __future__ import annotations

import dataclasses
import sys

import typer

from deskwire_server.cli.run import run_command
from deskwire_server.settings import Settings
from deskwire_server.stack import programs
from deskwire_server.stack.launch import Command
from deskwire_server.stack.state import RunState

_real = programs.worker


def _fake(settings: Settings, state: RunState, ports: tuple[int, int]) -> Command:
    argv = [sys.executable, "-m", "tests.support.fake_worker"]
    return dataclasses.replace(_real(settings, state, ports), argv=argv)


if __name__ == "__main__":
    programs.worker = _fake
    typer.run(run_command)
