"""Builds command lines whose process dies with its parent and, for root, runs as a lesser user."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deskwire_server.stack.errors import StackError

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETPCAP = 8

_HELPER = Path(__file__).with_name("_exec.py")


@dataclass(frozen=True)
class LesserUser:
    """The user that a server runs as when it refuses to run as root."""

    uid: int
    """User id."""
    gid: int
    """Group id."""
    capabilities: tuple[int, ...] = ()
    """Capabilities it keeps so that it can pass folders that are closed to others."""


@dataclass(frozen=True)
class Command:
    """A program to start as a child of this process."""

    argv: Sequence[str]
    """Absolute path of the program, then its arguments."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Its whole environment."""
    death_signal: signal.Signals = signal.SIGTERM
    """Sent to it when this process dies, even by SIGKILL."""
    stop_signal: signal.Signals = signal.SIGTERM
    """Asks it to end in good order."""
    folder: Path = Path("/")
    """Its working folder."""
    user: LesserUser | None = None
    """Whom it runs as; None is this process's user."""

    def guarded_argv(self) -> list[str]:
        """The command line that really runs: a helper ties the program to this process, then becomes it.

        Start it from the main thread: the kernel sends the death signal when the starting *thread* ends.
        """
        options: dict[str, object] = {"parent": os.getpid(), "signal": int(self.death_signal)}
        if self.user is not None:
            options |= {"uid": self.user.uid, "gid": self.user.gid, "capabilities": list(self.user.capabilities)}
        return [sys.executable, "-I", "-S", str(_HELPER), json.dumps(options), *self.argv]


def lesser_user(programs: Path) -> LesserUser | None:
    """Whom to run a server as that refuses root: None unless this process is root, then `nobody`.

    The data folder, and often those above it and above the folder `programs`, are closed to others. They stay closed:
    the server keeps one capability that lets it pass them, the weaker one where that is enough.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise StackError("PostgreSQL refuses to run as root and there is no user `nobody` to run it as") from None
    return LesserUser(entry.pw_uid, entry.pw_gid, (_passing_capability(programs),))


def _passing_capability(programs: Path) -> int:
    """The least capability this process has that makes closed folders passable."""
    held = effective_capabilities()
    if held & 1 << CAP_SETPCAP:
        searching_is_enough = all(program.stat().st_mode & stat.S_IXOTH for program in programs.iterdir())
        if searching_is_enough and held & 1 << CAP_DAC_READ_SEARCH:
            return CAP_DAC_READ_SEARCH
        if held & 1 << CAP_DAC_OVERRIDE:
            return CAP_DAC_OVERRIDE
    raise StackError(
        "running as root without the capabilities SETPCAP and DAC_OVERRIDE, which PostgreSQL needs to be started as a "
        "lesser user: start as an ordinary user instead, or set DATABASE_URL"
    )


def effective_capabilities() -> int:
    """The effective capabilities of this process as the kernel's bit mask."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found.group(1), 16) if found else 0
