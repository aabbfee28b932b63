"""The benchmark works: it starts what it measures, measures it and writes its tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(400)
def test_a_quick_run_measures_everything(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench", "--quick", "--json", str(figures)],
        capture_output=True, text=True, timeout=380, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "round trips to Postgres of a turn" in done.stdout
    measured = orjson.loads(figures.read_bytes())
    systems = {run["system"] for run in measured["runs"]}
    assert systems == {
        "direct", "pass-through", "FastAPI", "Deskwire", "grpc-web", "no storage", "two workers", "two pass-throughs",
        "full profile",
    }  # fmt: skip
    assert all(run["server_cpu"] > 0 for run in measured["runs"] if run["system"] != "direct")
    # Of all goals the one that no busy machine can miss.
    (trips,) = (goal for goal in measured["goals"] if goal["number"] == "8")
    assert 1 <= trips["measured"] <= trips["bound"]
