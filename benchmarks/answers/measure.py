"""Asks a provider the questions of a help centre and grades what it says."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from benchmarks.answers.grader import contained
from benchmarks.eval.calibration import calibration
from benchmarks.eval.data import Question
from benchmarks.eval.figures import Figure, Report, percent
from benchmarks.eval.stage import Stage
from deskwire_server.llm.port import ChatMessage, CompletionRequest, Finished, Passage, Provider, TextChunk

PASSAGES = 8
"""Passages that an answer gets, as in a chat turn."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its answer and the grade."""

    question: Question
    text: str
    grounded: bool
    confidence: float
    points: tuple[bool, ...]
    seconds: float
    right: bool
    """Whether it cites an article that answers the question."""


async def ask(provider: Provider, question: Question, passages: tuple[Passage, ...]) -> Asked:
    """One answer, graded."""
    history = tuple(ChatMessage("user" if role == "user" else "assistant", text) for role, text in question.history)
    request = CompletionRequest((*history, ChatMessage("user", question.text)), passages)
    text, grounded, confidence = "", True, 0.0
    started = time.perf_counter()
    async with aclosing(provider.stream(request)) as events:
        async for event in events:
            if isinstance(event, TextChunk):
                text += event.text
            elif isinstance(event, Finished):
                grounded, confidence = event.grounded is not False, event.confidence or 0.0
    took = time.perf_counter() - started
    cited = {passage.source_path for passage in passages if f"[{passage.number}]" in text}
    return Asked(
        question, text, grounded, confidence, tuple(contained(text, question.answer_points)), took,
        right=grounded and bool(cited & question.gold),
    )  # fmt: skip


async def measure(stage: Stage, provider: Provider, rows: Sequence[Question], report: Report) -> list[Asked]:
    """Answer every question on the passages that search finds, and report containment, abstention and calibration."""
    asked = [
        await ask(provider, row, await stage.service.passages(
            stage.caller.tenant_id, row.text, [text for _, text in row.history], limit=PASSAGES
        ))
        for row in rows
    ]  # fmt: skip
    report.figures.extend(figures(asked))
    return asked


def figures(asked: Sequence[Asked]) -> list[Figure]:
    """The figures of graded answers."""
    english = [one for one in asked if one.question.kind == "answerable" and one.question.style != "other-language"]
    answerable = [one for one in asked if one.question.kind == "answerable"]
    followups = [one for one in asked if one.question.kind == "followup"]
    unanswerable = [one for one in asked if one.question.kind == "unanswerable"]
    made = [
        _points("answer points contained, English answerable", english, 70),
        _points("answer points contained, follow-ups", followups, None),
        _declined("unanswerable questions declined", unanswerable, 80, at_most=False),
        _declined("answerable questions wrongly declined", answerable, 8, at_most=True),
    ]
    given = [one for one in asked if one.grounded]
    if given:
        made.append(calibration(
            "confidence of given answers against their being right",
            [one.confidence for one in given], [one.right for one in given],
        ))  # fmt: skip
    if english:
        lengths = [len(one.text.split()) for one in english if one.grounded]
        length = statistics.median(lengths or [0])
        made.append(Figure("length of an answer", "median", length, "words", samples=len(lengths)))
    if asked:
        times = [1000 * one.seconds for one in asked]
        made.append(Figure("time of an answer", "median", statistics.median(times), "ms", samples=len(times)))
    return made


def _points(task: str, asked: Sequence[Asked], goal: float | None) -> Figure:
    hits = [hit for one in asked for hit in one.points]
    return Figure(task, "share", percent(hits), goal=goal, samples=len(hits))


def _declined(task: str, asked: Sequence[Asked], goal: float, *, at_most: bool) -> Figure:
    declined = [not one.grounded for one in asked]
    return Figure(task, "share", percent(declined), goal=goal, at_most=at_most, samples=len(asked))
