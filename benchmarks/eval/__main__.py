"""Runs every evaluation whose data is there and prints the figures beside the public ones."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import sys
from pathlib import Path

import orjson
from rich.console import Console

from benchmarks.answers import measure as answers
from benchmarks.eval import data, intents, retrieval, understanding
from benchmarks.eval.figures import Report, show, write
from benchmarks.eval.stage import postgres, stage
from benchmarks.machine import machine, versions
from deskwire_server.llm.builtin import BuiltinProvider
from tests.support.postgres import TestPostgres


def main() -> int:
    """Measure and print. Data that is absent is skipped by name; only a fault of the program fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eval", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the figures into this page's table")
    parser.add_argument("--misses", action="store_true", help="list the questions whose article did not come first")
    parser.add_argument("--full", action="store_true", help="measure more folds and draws, which takes minutes more")
    options = parser.parse_args()
    console = Console()
    report = Report()
    folder = data.data_folder()
    articles, questions = data.help_centre(folder), data.questions(folder)
    if articles is None:
        report.skipped.append(f"search: no help centre in {folder / 'helpcenter'} (set {data.DATA_VARIABLE})")
    elif questions is None:
        report.skipped.append(f"search: no questions in {folder / 'questions-dev.jsonl'} (set {data.DATA_VARIABLE})")
    else:
        with postgres() as server:
            answered = asyncio.run(_search(server, articles, questions, report))
        if options.misses:
            _show_misses(answered, console)
    asyncio.run(understanding.measure(report))
    with postgres() as server:
        asyncio.run(_intents(server, folder / "intents", report, full=options.full))
    today = datetime.datetime.now(datetime.UTC).date()
    report.notes.append(f"{today}; {machine()}; {versions('numpy', 'asyncpg', 'pgvector')}")
    show(report, console)
    if options.json is not None:
        options.json.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
    if options.write is not None:
        write(report, options.write)
    return 0


async def _search(
    server: TestPostgres, articles: Path, questions: list[data.Question], report: Report
) -> list[retrieval.Answered]:
    async with stage(server) as ready:
        await retrieval.import_folder(ready, articles, report)
        answered = await retrieval.measure(ready, questions, report)
        await answers.measure(ready, BuiltinProvider(ready.embedder), questions, report)
        return answered


async def _intents(server: TestPostgres, folder: Path, report: Report, *, full: bool) -> None:
    async with stage(server) as ready:
        await intents.measure(ready, folder, report, full=full)


def _show_misses(answered: list[retrieval.Answered], console: Console) -> None:
    for one in answered:
        if one.question.gold and one.rank != 0:
            rank = "-" if one.rank is None else str(one.rank + 1)
            best = max(one.relevance, default=0.0)
            console.print(f"{rank:>3} {best:.2f} {one.question.id} {one.question.text[:110]}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
