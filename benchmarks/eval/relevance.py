"""Measures whether `relevance` means the same for two tenants: `python -m benchmarks.eval.relevance`.

Asks the development questions and those written for abstention, of the help centre and of the demo's articles. The
written ones are harder and half of them have no answer; they count so that one question in five has none.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.answers.abstention import UNANSWERABLE, labelled
from benchmarks.eval import data, retrieval
from benchmarks.eval.calibration import by_chance, error_of
from benchmarks.eval.figures import Report
from benchmarks.eval.stage import postgres, stage
from deskwire_server import demo
from tests.support.postgres import TestPostgres

_COPIES = 20
"""The finest share of a question that is told from another, for weights as whole numbers."""


def errors(rows: Sequence[retrieval.Answered]) -> tuple[float, float]:
    """Calibration error of all results, and of the best one of each question, one question in five without answer."""
    answerable = [row.question.kind != "unanswerable" for row in rows]
    none = answerable.count(False)
    shares = {True: (1 - UNANSWERABLE) / (len(rows) - none), False: UNANSWERABLE / none}
    counts = [round(_COPIES * len(rows) * shares[one]) for one in answerable]

    def error(most: int) -> float:
        pairs = [
            (np.repeat(row.relevance[:most], count), np.repeat(row.right[:most], count))
            for row, count in zip(rows, counts, strict=True)
        ]
        return error_of(np.concatenate([one for one, _ in pairs]), np.concatenate([one for _, one in pairs]))

    return error(retrieval.RESULTS), error(1)


def main() -> int:
    """Measure and print. The help centre and the development questions must be there."""
    folder, console = data.data_folder(), Console(soft_wrap=True)
    articles, questions = data.help_centre(folder), data.questions(folder)
    if articles is None or questions is None:
        console.print(f"no help centre or questions in {folder} (set {data.DATA_VARIABLE})")
        return 0
    for corpus, sets in (
        (articles, {"development questions": questions, "help centre, written": labelled("helpcenter")}),
        (Path(demo.__file__).with_name("articles"), {"demo, written": labelled("demo")}),
    ):
        with postgres() as server:
            found = asyncio.run(_on(server, corpus, sets))
        for name, rows in found.items():
            every, best = errors(rows)
            chance = by_chance([row.relevance[0] for row in rows if row.relevance])
            console.print(
                f"{name}: {len(rows)} questions; results {100 * every:.1f} %, the best {100 * best:.1f} % "
                f"(a perfect one by chance {100 * chance:.1f} %)"
            )
    return 0


async def _on(
    server: TestPostgres, folder: Path, sets: dict[str, list[data.Question]]
) -> dict[str, list[retrieval.Answered]]:
    """What is found for the questions that stand alone."""
    async with stage(server) as ready:
        await retrieval.import_folder(ready, folder, Report())
        return {
            name: [await retrieval.answer(ready, row) for row in rows if not row.history] for name, rows in sets.items()
        }


if __name__ == "__main__":
    sys.exit(main())
