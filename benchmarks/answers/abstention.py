"""Fits the weights by which the provider tells what it can answer: `python -m benchmarks.answers.abstention`.

Questions with and without an answer, on two sets of articles, and the answerable development questions train; the
others among the development questions only test. Every figure of a training question comes from models that saw
neither it nor any other question on its article. A third kind is asked and only reported: answerable questions while
their own articles are hidden, whose words all occur but whose answer is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from uuid import UUID

import numpy as np
from rich.console import Console
from sqlalchemy import text

from benchmarks.answers.logistic import Model, area_under_curve, calibration_error, cross_validated, fit
from benchmarks.answers.measure import PASSAGES
from benchmarks.eval import data, retrieval
from benchmarks.eval.figures import Report
from benchmarks.eval.stage import Stage, postgres, stage
from deskwire_server import demo
from deskwire_server.knowledge.audience import ANYBODY, EVERYBODY, Audience
from deskwire_server.knowledge.models import ArticlePatch
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.llm.builtin import BuiltinProvider
from deskwire_server.llm.builtin.evidence import Signs
from deskwire_server.llm.port import ChatMessage, CompletionRequest
from tests.support.postgres import TestPostgres

NOTHING = Signs(*[0.0] * len(fields(Signs)))
QUESTIONS = Path(__file__).with_name("questions.jsonl")
DECLINED = 0.12
"""Share of answerable questions that may be declined; it sets the threshold."""

SHARPER, SHIFT = 1.3, -0.15
"""What logits are multiplied by and moved by, so that the confidence of given answers is the share that is right: a
logistic model whose weights are held small says too little."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question with the signs that were found for it."""

    question: data.Question
    signs: Signs
    development: bool
    hidden: bool = False
    """Whether the articles that answer it were hidden."""

    @property
    def answerable(self) -> bool:
        """Whether some article answers it."""
        return self.question.kind != "unanswerable" and not self.hidden

    @property
    def trains(self) -> bool:
        """Whether weights may be fitted on it."""
        return not self.hidden and (not self.development or self.question.kind == "answerable")


def labelled(corpus: str) -> list[data.Question]:
    """The questions on the articles `corpus`."""
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    return [
        data.Question(
            id=f"{corpus}-{number}", text=row["question"], kind="answerable" if row["gold"] else "unanswerable",
            style="", gold=frozenset(row["gold"]), answer_points=(), history=(),
        )
        for number, row in enumerate(rows) if row["corpus"] == corpus
    ]  # fmt: skip


async def collect(ready: Stage, provider: BuiltinProvider, rows: list[data.Question], *, dev: bool) -> list[Example]:
    """Signs of each of `rows` that is in the articles' language and finds passages."""
    found = [await _example(ready, provider, row, Example(row, NOTHING, dev)) for row in rows]
    return [one for one in found if one is not None]


async def collect_hidden(
    ready: Stage, provider: BuiltinProvider, rows: list[data.Question], *, dev: bool
) -> list[Example]:
    """The same for each of `rows` that has an answer, while the articles that hold it are hidden."""
    ids = await _ids(ready)
    found = []
    for row in rows:
        gold = [ids[path] for path in row.gold if path in ids]
        if row.kind == "unanswerable" or not gold:
            continue
        await _restrict(ready, gold, Audience(roles=("agent",)))
        found.append(await _example(ready, provider, row, Example(row, NOTHING, dev, hidden=True)))
        await _restrict(ready, gold, EVERYBODY)
    return [one for one in found if one is not None]


async def _example(ready: Stage, provider: BuiltinProvider, row: data.Question, like: Example) -> Example | None:
    earlier = [text for _, text in row.history]
    passages = await ready.service.passages(
        ready.caller.tenant_id, row.text, earlier, limit=PASSAGES, reader=ANYBODY
    )  # fmt: skip
    history = tuple(ChatMessage("user" if role == "user" else "assistant", text) for role, text in row.history)
    if not passages:
        return None
    weighed = await provider.weigh(CompletionRequest((*history, ChatMessage("user", row.text)), passages))
    return None if weighed.foreign else replace(like, signs=weighed.signs)


async def _ids(ready: Stage) -> dict[str, UUID]:
    query = text("SELECT source_path, id FROM articles WHERE tenant_id = :tenant")
    async with ready.database.transaction(ready.caller.tenant_id) as connection:
        rows = await connection.execute(query, {"tenant": ready.caller.tenant_id})
        return {row.source_path: row.id for row in rows}


async def _restrict(ready: Stage, ids: list[UUID], audience: Audience) -> None:
    for article_id in ids:
        await ready.service.update_article(ready.caller, article_id, ArticlePatch(audience=audience))


def _on(folder: Path, sets: list[tuple[list[data.Question], bool]], *, vectors: bool) -> list[Example]:
    """Examples of each of `sets`, questions and whether they are the development ones, on the articles in `folder`."""

    async def collected(server: TestPostgres) -> list[Example]:
        async with stage(server) as ready:
            if not vectors:
                ready = replace(ready, service=KnowledgeService(ready.database, None))
            await retrieval.import_folder(ready, folder, Report())
            provider = BuiltinProvider(ready.embedder if vectors else None)
            asked = [one for rows, dev in sets for one in await collect(ready, provider, rows, dev=dev)]
            return asked + [one for rows, dev in sets for one in await collect_hidden(ready, provider, rows, dev=dev)]

    with postgres() as server:
        return asyncio.run(collected(server))


def report(examples: list[Example], console: Console) -> Model:
    """Fit on `examples` and print weights, threshold and figures."""
    signs = np.array([astuple(one.signs) for one in examples])
    answerable = np.array([float(one.answerable) for one in examples])
    trains = np.array([one.trains for one in examples])
    keys = [min(one.question.gold, default=one.question.id) for one in examples]
    group = np.unique(keys, return_inverse=True)[1]
    model = fit(signs[trains], answerable[trains])
    chances = model.probabilities(signs)
    chances[trains] = cross_validated(signs[trains], answerable[trains], group[trains])
    model = Model(SHARPER * model.bias + SHIFT, SHARPER * model.weights)
    chances = 1 / (1 + np.exp(-(SHARPER * np.log(chances / (1 - chances)) + SHIFT)))
    threshold = float(np.quantile(chances[trains & (answerable == 1)], DECLINED))
    weights = ", ".join(f"{sign.name}={w:.2f}" for sign, w in zip(fields(Signs), model.weights, strict=True))
    console.print(f"bias={model.bias:.2f}, {weights}, threshold={threshold:.2f}")
    hidden = np.array([one.hidden for one in examples])
    gone = 100 * (chances[hidden] < threshold).mean() if hidden.any() else 0.0
    console.print(f"articles hidden: {hidden.sum()}, {gone:.1f} % declined")
    development = np.array([one.development for one in examples])
    for name, part in (("labelled here", ~development & ~hidden), ("development questions", development & ~hidden)):
        yes, no = part & (answerable == 1), part & (answerable == 0)
        console.print(
            f"{name}: {yes.sum()} answerable, {100 * (chances[yes] < threshold).mean():.1f} % declined; "
            f"{no.sum()} not, {100 * (chances[no] < threshold).mean():.1f} % declined; area under the curve "
            f"{area_under_curve(chances[part], answerable[part]):.3f}; calibration error "
            f"{100 * calibration_error(chances[part], answerable[part], bins=5):.1f} %"
        )
    return model


def main() -> int:
    """Fit and print. The help centre and the development questions must be there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answers.abstention", description=__doc__)
    parser.add_argument("--without-vectors", action="store_true", help="fit for words alone")
    options = parser.parse_args()
    folder, console = data.data_folder(), Console(soft_wrap=True)
    articles, questions = data.help_centre(folder), data.questions(folder)
    if articles is None or questions is None:
        console.print(f"no help centre or questions in {folder} (set {data.DATA_VARIABLE})")
        return 0
    vectors = not options.without_vectors
    demo_folder = Path(demo.__file__).with_name("articles")
    examples = _on(articles, [(labelled("helpcenter"), False), (questions, True)], vectors=vectors)
    examples += _on(demo_folder, [(labelled("demo"), False)], vectors=vectors)
    report(examples, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
