"""Short runs of `make chaos`: the long ones are started by hand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.schedule import mixed

_LIMIT = 240
"""Seconds; a run takes half a minute on a machine that has nothing else to do."""


def chaos(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A run of few users. Its data stay in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", "--folder", str(folder), "--users", "12", *options],
        capture_output=True, text=True, timeout=_LIMIT, check=False,
    )  # fmt: skip


def figure(name: str, output: str) -> int:
    """One of the figures that a run tells."""
    found = re.search(rf"{name} (\d+)", output)
    return int(found[1]) if found else 0


@pytest.mark.timeout(_LIMIT + 10)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--seed", "7", "--kills", "4", "--turns", "300"), id="everything fails"),
        pytest.param(("--profile", "rolling", "--kills", "4", "--turns", "300"), id="rolling restarts"),
        pytest.param(("--profile", "replicas", "--kills", "3", "--turns", "200"), id="replicas are killed"),
    ],
)
def test_nothing_is_lost_duplicated_or_mixed(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = chaos(tmp_path, *options)

    assert done.returncode == 0, f"{done.stdout[-4_000:]}\n{done.stderr[-4_000:]}"
    assert done.stdout.rstrip().endswith("lost 0, duplicated 0, mixed 0")
    assert figure("turns", done.stdout) >= int(options[-1])
    assert figure("failed calls", done.stdout) == 0


def test_a_seed_always_brings_the_same_faults() -> None:
    assert mixed(7, 40) == mixed(7, 40)
    assert mixed(7, 40) != mixed(8, 40)
    assert sum(fault.kind == "kill" for fault in mixed(7, 40)) == 40
