"""What the machine did meanwhile is found for any time of a run."""

from __future__ import annotations

from pathlib import Path

from benchmarks.chaos.pulse import Control

PULSE = [b"[10.25,0.01,0.1]", b"[10.5,0.7,0.9]", b"[10.75,0.02,null]"]


def test_the_worst_of_a_time() -> None:
    control = Control(PULSE, [(10.4, 0.3), (12.0, 2.0)])

    stall = control.between(10.3, 10.6)

    assert (stall.machine, stall.harness, stall.waiting) == (0.7, 0.3, 0.9)
    assert control.whole.harness == 2.0
    assert "machine late by 0.70 s" in str(stall)


def test_where_nothing_was_measured_nothing_is_claimed(tmp_path: Path) -> None:
    stall = Control.read(tmp_path / "missing", []).between(1.0, 2.0)

    assert (stall.machine, stall.harness, stall.waiting) == (0.0, 0.0, None)
