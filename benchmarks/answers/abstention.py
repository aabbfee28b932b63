"""Fits the weights by which the provider tells what it can answer: `python -m benchmarks.answers.abstention`.

Questions with and without an answer, on two sets of articles, and the answerable development questions train; the
others among the development questions only test. Every figure of a training question comes from models that saw
neither it nor any other question on its article. On demand a third kind is asked and only reported: answerable
questions while their own articles are hidden, whose words all occur but whose answer is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal
from uuid import UUID

import numpy as np
from rich.console import Console
from sqlalchemy import text

from benchmarks.answers.logistic import Values, area_under_curve, cross_validated, fit
from benchmarks.answers.measure import PASSAGES
from benchmarks.eval import data, retrieval
from benchmarks.eval.calibration import error_of
from benchmarks.eval.figures import Report
from benchmarks.eval.stage import Stage, postgres, stage
from deskwire_server import demo
from deskwire_server.embeddings.port import Embedder, Vectors
from deskwire_server.knowledge.audience import ANYBODY, EVERYBODY, Audience
from deskwire_server.knowledge.models import ArticlePatch
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.llm.builtin import BuiltinProvider
from deskwire_server.llm.builtin.evidence import NO_SIGNS, WITH_VECTORS, WITH_WORDS, WITHOUT_VECTORS, Judge, Signs
from deskwire_server.llm.port import ChatMessage, CompletionRequest
from tests.support.postgres import TestPostgres

QUESTIONS = Path(__file__).with_name("questions.jsonl")
DECLINED = 0.09
"""Share of answerable training questions that may be declined; it sets the threshold. They are harder than others."""
UNANSWERABLE = 0.2
"""Share of questions without an answer that confidence is made for, as there are about among development questions."""


class Help(StrEnum):
    """What the provider has to judge by."""

    WORDS = "words"
    """An embedder that compares single words."""
    VECTORS = "vectors"
    """An embedder that gives vectors alone."""
    NONE = "none"


_STEPS = np.arange(0, 3, 0.05)
JUDGES = {Help.WORDS: WITH_WORDS, Help.VECTORS: WITH_VECTORS, Help.NONE: WITHOUT_VECTORS}
_MATCHED = ("meant", "least", "likest")
_AFTERWARDS = "brief"
"""Long questions that train mostly have an answer, by chance, so what length tells against one is fitted by itself.

Without vectors it does not help."""
_BY_VECTORS = ("likeness", "lead", "near", "nearest", "ahead", "alone")


def used(help_given: Help) -> list[str]:
    """Names of the signs that a judge weighs: those that its help can give."""
    absent = {Help.WORDS: (), Help.VECTORS: _MATCHED, Help.NONE: (*_MATCHED, *_BY_VECTORS, _AFTERWARDS)}[help_given]
    return [sign.name for sign in fields(Signs) if sign.name not in absent]


class VectorsAlone:
    """An embedder without its comparison of words."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        """Of the embedder."""
        return self._inner.name

    @property
    def dimensions(self) -> int:
        """Of its vectors."""
        return self._inner.dimensions

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        """As the embedder does."""
        return await self._inner.embed(texts, purpose=purpose)

    async def close(self) -> None:
        """The embedder is closed by whoever made it."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question with the signs that were found for it."""

    question: data.Question
    signs: Signs
    development: bool
    hidden: bool = False
    """Whether the articles that answer it were hidden."""
    right: bool = False
    """Whether an article that answers it would be quoted."""

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
    found = [await _example(ready, provider, row, Example(row, NO_SIGNS, dev)) for row in rows]
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
        found.append(await _example(ready, provider, row, Example(row, NO_SIGNS, dev, hidden=True)))
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
    quoted = {passages[weighed.scored.units[row].passage].source_path for row in weighed.rows}
    right = like.answerable and bool(quoted & row.gold)
    return None if weighed.foreign else replace(like, signs=weighed.signs, right=right)


async def _ids(ready: Stage) -> dict[str, UUID]:
    query = text("SELECT source_path, id FROM articles WHERE tenant_id = :tenant")
    async with ready.database.transaction(ready.caller.tenant_id) as connection:
        rows = await connection.execute(query, {"tenant": ready.caller.tenant_id})
        return {row.source_path: row.id for row in rows}


async def _restrict(ready: Stage, ids: list[UUID], audience: Audience) -> None:
    for article_id in ids:
        await ready.service.update_article(ready.caller, article_id, ArticlePatch(audience=audience))


def _on(folder: Path, sets: list[tuple[list[data.Question], bool]], help_given: Help, *, hidden: bool) -> list[Example]:
    """Examples of each of `sets`, questions and whether they are the development ones, on the articles in `folder`."""

    async def collected(server: TestPostgres) -> list[Example]:
        async with stage(server) as ready:
            embedder: Embedder | None = ready.embedder
            if help_given is Help.NONE:
                embedder, ready = None, replace(ready, service=KnowledgeService(ready.database, None))
            await retrieval.import_folder(ready, folder, Report())
            provider = BuiltinProvider(VectorsAlone(embedder) if embedder and help_given is Help.VECTORS else embedder)
            asked = [one for rows, dev in sets for one in await collect(ready, provider, rows, dev=dev)]
            for rows, dev in sets if hidden else ():
                asked += await collect_hidden(ready, provider, rows, dev=dev)
            return asked

    with postgres() as server:
        return asyncio.run(collected(server))


@dataclass(frozen=True, slots=True)
class Judged:
    """What was fitted on examples."""

    judge: Judge
    chances: Values
    """Of each example, by models that saw neither it nor another question on its article, where it trains."""


def judged(examples: Sequence[Example], names: Sequence[str], shipped: Judge) -> Judged:
    """Weights of the signs `names` fitted on `examples`; what they do not settle is taken over from `shipped`.

    Confidence is the share of such answers that quote the right article: a line over the cross-validated logits.
    """
    learned = [name for name in names if name != _AFTERWARDS]
    signs = np.array([[getattr(one.signs, name) for name in learned] for one in examples])
    answerable = np.array([float(one.answerable) for one in examples])
    trains = np.array([one.trains for one in examples])
    keys = [min(one.question.gold, default=one.question.id) for one in examples]
    group = np.unique(keys, return_inverse=True)[1]
    model = fit(signs[trains], answerable[trains])
    chances = model.probabilities(signs)
    chances[trains] = cross_validated(signs[trains], answerable[trains], group[trains])
    long = 1 - np.array([one.signs.brief for one in examples])
    logits = np.log(chances / (1 - chances))
    step = narrated(logits[trains], long[trains], answerable[trains]) if _AFTERWARDS in names else 0.0
    logits -= step * long
    right = np.array([float(one.right) for one in examples])
    # Answerable ones that people asked: those written for this are harder, and would make confidence too low.
    asked = trains & ((answerable == 0) | np.array([one.development for one in examples]))
    share = 1 - answerable[asked].mean()
    counts = np.where(answerable == 1, (1 - UNANSWERABLE) / (1 - share), UNANSWERABLE / share)
    line = fit(logits[asked, None], right[asked], ridge=0.0, counts=counts[asked])
    slope = float(line.weights[0])
    chances = line.probabilities(logits[:, None])
    weights = {name: round(slope * float(weight), 2) for name, weight in zip(learned, model.weights, strict=True)}
    weights[_AFTERWARDS] = round(slope * step, 2)
    judge = Judge(
        bias=round(slope * (model.bias - step) + line.bias, 2),
        weights=replace(NO_SIGNS, **weights),
        threshold=round(float(np.quantile(chances[trains & (answerable == 1)], DECLINED)), 2),
        hopeless=shipped.hopeless,
    )
    return Judged(judge, chances)


def narrated(logits: Values, long: Values, answerable: Values) -> float:
    """What the length of a question takes from its logit, where as many long ones have no answer as of all."""
    some, yes = long > 0, answerable == 1
    share = yes.mean() / (1 - yes.mean())
    counts = np.where(yes, 1.0, (some & yes).sum() / (share * max(1, (some & ~yes).sum())))[some]

    def surprise(step: float) -> float:
        signed = np.where(yes, 1, -1)[some] * (logits - step * long)[some]
        return float((counts * np.log1p(np.exp(-signed))).sum())

    return float(min(_STEPS, key=surprise))


def report(examples: Sequence[Example], help_given: Help, console: Console) -> None:
    """Fit on `examples` and print weights, threshold, whether they are those of the provider, and figures."""
    shipped = JUDGES[help_given]
    found = judged(examples, used(help_given), shipped)
    judge, chances = found.judge, found.chances
    kept = {name: weight for name in used(help_given) if (weight := getattr(judge.weights, name))}
    weights = ", ".join(f"{name}={weight}" for name, weight in kept.items())
    console.print(f"help: {help_given}; {'as shipped' if judge == shipped else 'NOT as shipped'}")
    console.print(f"bias={judge.bias}, {weights}, threshold={judge.threshold}")
    answerable = np.array([one.answerable for one in examples])
    right = np.array([float(one.right) for one in examples])
    hidden = np.array([one.hidden for one in examples])
    declined = chances < judge.threshold
    development = np.array([one.development for one in examples])
    if hidden.any():
        console.print(f"articles hidden: {hidden.sum()}, {100 * declined[hidden].mean():.1f} % declined")
    for name, part in (("written for it", ~development & ~hidden), ("development questions", development & ~hidden)):
        yes, no = part & answerable, part & ~answerable
        given = part & ~declined
        console.print(
            f"{name}: {yes.sum()} answerable, {100 * declined[yes].mean():.1f} % declined; "
            f"{no.sum()} not, {100 * declined[no].mean():.1f} % declined; area under the curve "
            f"{area_under_curve(chances[part], answerable[part].astype(float)):.3f}; calibration error of answers "
            f"given {100 * error_of(chances[given], right[given]):.1f} %"
        )


def main() -> int:
    """Fit and print. The help centre and the development questions must be there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answers.abstention", description=__doc__)
    parser.add_argument("--help-given", type=Help, choices=list(Help), help="fit one judge alone, not all")
    parser.add_argument("--hidden", action="store_true", help="ask also while the articles that answer are hidden")
    options = parser.parse_args()
    folder, console = data.data_folder(), Console(soft_wrap=True)
    articles, questions = data.help_centre(folder), data.questions(folder)
    if articles is None or questions is None:
        console.print(f"no help centre or questions in {folder} (set {data.DATA_VARIABLE})")
        return 0
    demo_folder = Path(demo.__file__).with_name("articles")
    for help_given in [options.help_given] if options.help_given else list(Help):
        examples = _on(
            articles, [(labelled("helpcenter"), False), (questions, True)], help_given, hidden=options.hidden
        )
        examples += _on(demo_folder, [(labelled("demo"), False)], help_given, hidden=options.hidden)
        report(examples, help_given, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
