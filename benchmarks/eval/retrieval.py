"""Measures search: whether the articles that answer a question come first, and how long that takes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.eval.calibration import calibration
from benchmarks.eval.data import Question
from benchmarks.eval.figures import Figure, Report, percent
from benchmarks.eval.stage import Stage
from deskwire_server.knowledge.models import ImportOutcome, SearchQuery
from deskwire_server.knowledge.parse import SUPPORTED_ENDINGS, Document

RESULTS = 10
"""Results of a question that stands alone, as a search gives where no limit is named."""
_BASELINES = "BM25 43 / 68 %; local embedder alone 56 / 82; plain fusion 59 / 90"


@dataclass(frozen=True, slots=True)
class _Task:
    name: str
    questions: list[Question]
    goals: tuple[float | None, float | None]
    """Of hit@1 and hit@5."""
    baseline: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What was found for a question."""

    question: Question
    rank: int | None
    """Of the first right article, from 0; None when it is not among those shown."""
    relevance: tuple[float, ...]
    """Of each result, best first."""
    right: tuple[bool, ...]
    """Whether each result answers the question."""


async def import_folder(stage: Stage, folder: Path, report: Report) -> None:
    """Import every document below `folder`, timed."""
    started, cpu = time.perf_counter(), time.process_time()
    outcomes = [result async for result in stage.service.import_documents(stage.caller, _documents(folder))]
    took = time.perf_counter() - started
    failed = [result.source_path for result in outcomes if result.outcome is ImportOutcome.FAILED]
    passages = sum(result.passage_count for result in outcomes)
    report.figures.append(Figure(
        "import of the help centre", "time", took, "s", goal=240, at_most=True, samples=len(outcomes),
    ))  # fmt: skip
    report.notes.append(
        f"{len(outcomes)} documents, {passages} passages, {len(failed)} refused; "
        f"{time.process_time() - cpu:.1f} s of it in the importing process"
    )


async def measure(stage: Stage, rows: Sequence[Question], report: Report) -> list[Answered]:
    """Hit rates of each kind of question, and the time of a search."""
    english = [row for row in rows if row.kind == "answerable" and row.style != "other-language"]
    other = [row for row in rows if row.kind == "answerable" and row.style == "other-language"]
    followups = [row for row in rows if row.kind == "followup"]
    tasks = (
        _Task("questions in English, answerable", english, (72, 93), _BASELINES),
        _Task("follow-ups with their history", followups, (55, 80), "without the history 8 / 17 %"),
        _Task("other languages", other, (None, 45), "hit@5 17-33 %"),
    )
    answered: list[Answered] = []
    for task in tasks:
        found = [await answer(stage, row) for row in task.questions]
        answered.extend(found)
        for cut, goal in zip((1, 5), task.goals, strict=True):
            hits = [one.rank is not None and one.rank < cut for one in found]
            report.figures.append(Figure(
                task.name, f"hit@{cut}", percent(hits), goal=goal, baseline=task.baseline if cut == 1 else "",
                samples=len(found),
            ))  # fmt: skip
    unanswerable = [await answer(stage, row) for row in rows if row.kind == "unanswerable"]
    answered.extend(unanswerable)
    report.figures.extend(_relevance([one for one in answered if not one.question.history]))
    await _time(stage, english, report)
    return answered


async def answer(stage: Stage, row: Question) -> Answered:
    """Search for one question, in the light of its history where it has one."""
    if row.history:
        passages = await stage.service.passages(
            stage.caller.tenant_id, row.text, [text for _, text in row.history], limit=20
        )
        results = [(passage.source_path, passage.relevance) for passage in passages]
    else:
        search = await stage.service.search(stage.caller, SearchQuery(row.text, limit=RESULTS))
        results = [(hit.article.source_path, hit.relevance) for hit in search.hits]
    best: dict[str, float] = {}
    for path, relevance in results:
        best.setdefault(path, relevance)
    right = tuple(path in row.gold for path in best)
    return Answered(row, right.index(True) if any(right) else None, tuple(best.values()), right)


def _relevance(answered: Sequence[Answered]) -> list[Figure]:
    """Whether relevance is the share of such results that answer: of all results, and of the best ones."""
    every = [pair for one in answered for pair in zip(one.relevance, one.right, strict=True)]
    best = [(one.relevance[0], one.right[0]) for one in answered if one.relevance]
    return [
        calibration("relevance of results against their answering", *zip(*every, strict=True)),
        calibration("… of the best result of each question", *zip(*best, strict=True), goal=None),
    ]


async def _time(stage: Stage, rows: Sequence[Question], report: Report) -> None:
    """Time of whole searches, and of the embedding in them."""
    searches, embeddings = [], []
    for row in rows:
        started = time.perf_counter()
        await stage.embedder.embed([row.text], purpose="query")
        embedded = time.perf_counter()
        await stage.service.search(stage.caller, SearchQuery(row.text, limit=10))
        searches.append(1000 * (time.perf_counter() - embedded))
        embeddings.append(1000 * (embedded - started))
    whole, embedding = statistics.median(searches), statistics.median(embeddings)
    report.figures.append(Figure(
        "search apart from the embedding", "p50", whole - embedding, "ms", goal=30, at_most=True, samples=len(rows)
    ))  # fmt: skip
    report.notes.append(f"median of a whole search {whole:.1f} ms, of its embedding {embedding:.1f} ms")


async def _documents(folder: Path) -> AsyncIterator[Document]:
    for document in await asyncio.to_thread(_read, folder):
        yield document


def _read(folder: Path) -> list[Document]:
    return [
        Document(path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix.lower() in SUPPORTED_ENDINGS
    ]
