"""Runs the benchmark, prints its figures and goals, and keeps them in the documentation."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import orjson
import uvloop
from rich.console import Console
from rich.markdown import Markdown

from benchmarks.bench import picture, report
from benchmarks.bench.goals import goals
from benchmarks.bench.measure import FULL_PLAN, QUICK_PLAN, measure

_DOCS = Path(__file__).resolve().parents[2] / "docs"


def main() -> int:
    """0 when it could measure; with --check 1 when a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: whether it works, not how fast it is")
    parser.add_argument("--rounds", type=int, default=FULL_PLAN.rounds, help="rounds of a full run, 5 by default")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal was missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample here as well")
    parser.add_argument("--write", action="store_true", help="renew the figures and the picture in docs/")
    options = parser.parse_args()
    console = Console(stderr=True)
    plan = QUICK_PLAN if options.quick else replace(FULL_PLAN, rounds=options.rounds)
    load_average = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="deskwire-bench-") as folder:
        measured = uvloop.run(measure(plan, Path(folder), lambda text: console.print(f"{text} …", highlight=False)))
    text = report.markdown(measured, plan.rounds, load_average)
    screen = Console()
    if screen.is_terminal:
        screen.print(Markdown(text))
    else:
        print(text)
    if options.json is not None:
        options.json.write_bytes(orjson.dumps(report.as_json(measured), option=orjson.OPT_INDENT_2))
    if options.write:
        picture.write(measured, _DOCS / "images" / "benchmarks.svg")
        report.write_into(_DOCS / "benchmarks.md", text)
    missed = [goal.number for goal in goals(measured) if not goal.met]
    console.print(f"missed: {', '.join(missed)}" if missed else "every goal is met", highlight=False)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
