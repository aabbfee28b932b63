"""Measures the analyses of a message on the test halves of the labelled sets, and how long they take."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.eval import labelled
from benchmarks.eval.calibration import calibration
from benchmarks.eval.figures import Figure, Report, percent
from benchmarks.eval.labelled import LabelledMessage
from benchmarks.eval.understanding_times import DirectEmbedder
from deskwire_server.understanding import loading
from deskwire_server.understanding.analyses import MessageToAnalyse, Registry
from deskwire_server.understanding.analyses.confusion import ConfusionResult
from deskwire_server.understanding.analyses.sentiment import SentimentResult
from deskwire_server.understanding.analyses.urgency import UrgencyResult
from deskwire_server.understanding.entities import EntityFinder
from deskwire_server.understanding.language import detect, detect_language

_GOAL, _LANGUAGE_GOAL = 85, 95
_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""What relative dates of the set count from."""


async def measure(report: Report) -> None:
    """The figures of each analysis, then the times."""
    await loading.ready()
    registry, embedder = Registry(), DirectEmbedder()
    await _messages(registry, embedder, report)
    _languages(report)
    _entities(report)
    await _satisfaction(registry, embedder, report)
    await _times(report)


async def _messages(registry: Registry, embedder: DirectEmbedder, report: Report) -> None:
    rows = labelled.messages("test")
    vectors = await embedder.embed([row.text for row in rows], purpose="query")
    tasks = ("sentiment", "urgency", "confusion")
    given: dict[str, list[str]] = {task: [] for task in tasks}
    sure: dict[str, list[float]] = {task: [] for task in tasks}
    for row, vector in zip(rows, vectors, strict=True):
        found = await registry.analyse(MessageToAnalyse.of(row.text, embedder, vector=vector), tasks)
        for task in tasks:
            given[task].append(_label(found[task]))
            sure[task].append(_confidence(found[task]))
    for task in tasks:
        _add(report, task, rows, given[task])
    for task in tasks:
        right = [row.label(task) == label for row, label in zip(rows, given[task], strict=True)]
        report.figures.append(calibration(task, sure[task], right))


def _label(result: object) -> str:
    if isinstance(result, ConfusionResult):
        return "confused" if result.offer_screen_sharing else "clear"
    assert isinstance(result, SentimentResult | UrgencyResult)
    return result.label


def _confidence(result: object) -> float:
    if isinstance(result, ConfusionResult):
        return max(result.score, 1 - result.score)
    assert isinstance(result, SentimentResult | UrgencyResult)
    return result.confidence


def _add(report: Report, task: str, rows: Sequence[LabelledMessage], given: list[str]) -> None:
    wanted = [row.label(task) for row in rows]
    right = [one == two for one, two in zip(wanted, given, strict=True)]
    spread = f"macro F1 {100 * labelled.macro_f1(wanted, given):.1f} %"
    report.figures.append(
        Figure(task, "accuracy", percent(right), goal=_GOAL, baseline=spread, samples=len(rows))
    )  # fmt: skip


def _languages(report: Report) -> None:
    rows = labelled.languages("test")
    right = [detect(text).language == language for text, language in rows]
    count = len({language for _, language in rows})
    report.figures.append(
        Figure(f"language, {count} of them", "accuracy", percent(right), goal=_LANGUAGE_GOAL, samples=len(rows))
    )


def _entities(report: Report) -> None:
    rows, finder = labelled.entities("test"), EntityFinder()
    right = extra = missed = valued = 0
    for row in rows:
        found = finder.find(row.text, now=_NOW, language=detect_language(row.text))
        values = {(entity.type, entity.text): entity.value for entity in found}
        wanted = {(kind, text): value for kind, text, value in row.entities}
        common = values.keys() & wanted.keys()
        right += len(common)
        extra += len(values.keys() - wanted.keys())
        missed += len(wanted.keys() - values.keys())
        valued += sum(wanted[key] in ("", values[key]) for key in common)
    shown = f"normalised value right {100 * valued / max(right, 1):.1f} %"
    score = 200 * right / max(2 * right + extra + missed, 1)
    report.figures.append(
        Figure("entities, exact type and span", "F1", score, goal=_GOAL, baseline=shown, samples=len(rows))
    )


async def _satisfaction(registry: Registry, embedder: DirectEmbedder, report: Report) -> None:
    rows = labelled.conversations("test")
    right, sure = [], []
    for row in rows:
        message = MessageToAnalyse.of(row.messages[-1].text, embedder, history=row.messages[:-1])
        if row.messages[-1].role != "user":
            message = MessageToAnalyse.of("", None, history=row.messages)
        found = (await registry.analyse(message, ["satisfaction"]))["satisfaction"].as_json()
        right.append((found["label"] == "satisfied") == row.satisfied)
        sure.append(float(found["confidence"]))
    report.figures.append(
        Figure("satisfaction of a conversation", "accuracy", percent(right), goal=_GOAL, samples=len(rows))
    )
    report.figures.append(calibration("satisfaction of a conversation", sure, right))


async def _times(report: Report) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.eval.understanding_times", stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the times of the analyses could not be taken")
    times = json.loads(told)
    shown = f"{times['whole']:.1f} ms, the embedding {times['embedding']:.1f} ms"
    report.figures.append(Figure(
        "a message analysed in full, time of one core", "embeddings", times["whole"] / times["embedding"], "×", goal=2,
        at_most=True, baseline=shown, samples=times["messages"],
    ))  # fmt: skip
    report.figures.append(Figure(
        "… in a batch", "messages a second", times["rate"], "/s", goal=100, samples=times["batch"],
    ))  # fmt: skip
