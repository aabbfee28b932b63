"""Children that die with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deskwire_server.stack.launch import Command, effective_capabilities, lesser_user

_PARENT = """
import subprocess, sys
from deskwire_server.stack.launch import Command
command = Command(argv=["/bin/sleep", "600"])
child = subprocess.Popen(command.guarded_argv(), stdout=subprocess.PIPE)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_child_dies_with_a_killed_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    # Killed between fork and exec or after it: gone either way.
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_child_of_a_dead_parent_never_starts(tmp_path: Path) -> None:
    command = Command(argv=["/bin/touch", str(tmp_path / "started")])
    argv = command.guarded_argv()
    argv[4] = argv[4].replace(str(os.getpid()), "1", 1)
    assert subprocess.run(argv, check=False).returncode == 1
    assert not (tmp_path / "started").exists()


def test_a_missing_program_is_named() -> None:
    done = subprocess.run(
        Command(argv=["/nowhere/program"]).guarded_argv(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 126
    assert "cannot start /nowhere/program" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop")
def test_root_becomes_nobody_with_one_capability() -> None:
    user = lesser_user(Path("/bin"))
    assert user is not None
    argv = [sys.executable, "-I", "-S", "-c", "print(open('/proc/self/status').read())"]
    done = subprocess.run(Command(argv=argv, user=user).guarded_argv(), capture_output=True, text=True, check=True)
    fields = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == [str(user.uid)] * 4
    assert fields["Groups"].split() == []
    assert [int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapAmb")] == [1 << user.capabilities[0]] * 3


def test_capabilities_are_read() -> None:
    assert effective_capabilities() >= 0
    assert Command(argv=["/bin/true"]).death_signal is signal.SIGTERM
