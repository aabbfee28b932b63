"""Measures the built-in provider on a help centre: `python -m benchmarks.answers`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.answers.measure import Asked, measure
from benchmarks.eval import data, retrieval
from benchmarks.eval.figures import Report, show
from benchmarks.eval.stage import postgres, stage
from deskwire_server.llm.builtin import BuiltinProvider
from tests.support.postgres import TestPostgres


def main() -> int:
    """Measure and print. Absent data is skipped by name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answers", description=__doc__)
    parser.add_argument("--misses", action="store_true", help="show the answers that are wrong")
    options = parser.parse_args()
    console, report, folder = Console(), Report(), data.data_folder()
    articles, questions = data.help_centre(folder), data.questions(folder)
    if articles is None or questions is None:
        report.skipped.append(f"answers: no help centre or questions in {folder} (set {data.DATA_VARIABLE})")
    else:
        with postgres() as server:
            asked = asyncio.run(_answers(server, articles, questions, report))
        if options.misses:
            _show_misses(asked, console)
    show(report, console)
    return 0


async def _answers(server: TestPostgres, articles: Path, questions: list[data.Question], report: Report) -> list[Asked]:
    async with stage(server) as ready:
        await retrieval.import_folder(ready, articles, report)
        return await measure(ready, BuiltinProvider(ready.embedder), questions, report)


def _show_misses(asked: list[Asked], console: Console) -> None:
    for one in asked:
        wrong = one.grounded == (one.question.kind == "unanswerable")
        if wrong or not all(one.points):
            lacks = [point for point, hit in zip(one.question.answer_points, one.points, strict=True) if not hit]
            console.print(f"{one.question.id} {one.confidence:.2f} {one.question.text}\n  lacks {lacks}", markup=False)
            console.print(f"{one.text}\n", markup=False)


if __name__ == "__main__":
    sys.exit(main())
