"""Measures intents: learned from many and from few examples, unknown ones refused, calibration, time."""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.eval.calibration import calibration
from benchmarks.eval.figures import Figure, Report, percent
from benchmarks.eval.stage import Stage
from deskwire_server.embeddings.helper import second_embedder
from deskwire_server.embeddings.port import Embedder, Vectors
from deskwire_server.intents.analyst import Analyst, Message
from deskwire_server.intents.classifier import Classifier
from deskwire_server.intents.features import Featurizer
from deskwire_server.intents.heads import codec
from deskwire_server.intents.heads.head import OUT_OF_SCOPE, Head, Verdict
from deskwire_server.intents.models import Loaded
from deskwire_server.intents.trainer import Trainer, lesson
from deskwire_server.understanding import Understanding

_FOLDS = 5
_DRAWS, _SHOTS = 5, 10
_ABSENT = 0.2
_DISTINCT = 40
"""Intents that are as unlike each other as possible, with strangers from outside of their field."""
_EVERYDAY = Path(__file__).parent / "labelled" / "everyday.txt"
_LARGEST_TEST = 2_500
_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class Labelled:
    """Messages with their intents."""

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, chosen: Sequence[int] | np.ndarray) -> Labelled:
        """Some of them."""
        return Labelled(self.name, tuple(self.texts[i] for i in chosen), tuple(self.labels[i] for i in chosen))


def sets(folder: Path) -> Iterator[tuple[Labelled, Labelled | None]]:
    """Each `NAME-train.csv` (text, category) with `NAME-test.csv`, if there is one. `oos` is out of scope."""
    for file in sorted(folder.glob("*-train.csv")):
        name = file.stem.removesuffix("-train")
        test = file.with_name(f"{name}-test.csv")
        yield _read(file, name), _read(test, name) if test.is_file() else None


async def measure(stage: Stage, folder: Path, report: Report, *, full: bool) -> None:
    """All figures. Without a test set a fifth of the training set is held out; `full` holds out each fifth in turn."""
    features = _Remembering(stage.embedder)
    bench = _Bench(stage, features, Trainer(stage.database, features))
    found = list(sets(folder))
    if not found:
        report.skipped.append(f"intents: no *-train.csv in {folder}")
    for train, test in found:
        await bench.many(train, test, report, folds=_FOLDS if full else 1)
        await bench.few(train, test, report, draws=_DRAWS if full else 2)
        if test is None or OUT_OF_SCOPE not in test.labels:
            await bench.unknown(train, report)
            await bench.distinct(train, report)
    await _speed(stage, features, report)


class _Remembering(Featurizer):
    """Makes the vectors of each text once: the first training takes its full time, later ones do not wait for them."""

    def __init__(self, embedder: Embedder | None) -> None:
        super().__init__(embedder)
        self._made: dict[str, Vectors] = {}

    @asynccontextmanager
    async def doubled(self) -> AsyncIterator[Featurizer]:
        """See `Featurizer`. Both remember the same."""
        async with second_embedder() as embedder:
            second = _Remembering(embedder)
            second._made = self._made
            yield second

    async def vectors(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        """See `Featurizer`."""
        if purpose == "query":
            return await super().vectors(texts, purpose=purpose)
        made = self._made
        missing = [text for text in dict.fromkeys(texts) if text not in made]
        if missing:
            made.update(zip(missing, await super().vectors(missing, purpose=purpose), strict=True))
        return np.stack([made[text] for text in texts])


@dataclass(frozen=True, slots=True)
class _Bench:
    stage: Stage
    features: Featurizer
    trainer: Trainer

    async def many(self, train: Labelled, test: Labelled | None, report: Report, *, folds: int) -> None:
        """All examples: accuracy, calibration and the time of a training."""
        verdicts: list[Verdict] = []
        right: list[str] = []
        seconds = 0.0
        for fold in range(folds if test is None else 1):
            held = _folds(train) == fold
            learned = train if test is not None else train.take(np.flatnonzero(~held))
            asked = test if test is not None else train.take(np.flatnonzero(held))
            head, took = await self.train(learned)
            seconds = max(seconds, took)
            verdicts += await self.ask(head, asked)
            right += asked.labels
        known = [index for index, label in enumerate(right) if label != OUT_OF_SCOPE]
        hits = [verdicts[index].intent == right[index] for index in known]
        goals = (94.3, "USE+ConveRT 93.4; plain logistic head 93.1") if train.name == "banking77" else (None, "")
        where = "test set" if test is not None else f"{folds} of {_FOLDS} parts held out"
        task = f"{train.name}, all examples ({where})"
        report.figures.append(
            Figure(task, "accuracy", percent(hits), goal=goals[0], baseline=goals[1], samples=len(hits))
        )
        answered = [index for index in known if verdicts[index].intent != OUT_OF_SCOPE]
        report.figures.append(calibration(
            task,
            [verdicts[index].confidence for index in answered],
            [verdicts[index].intent == right[index] for index in answered],
        ))  # fmt: skip
        outside = [index for index, label in enumerate(right) if label == OUT_OF_SCOPE]
        if outside:
            refused = [verdicts[index].intent == OUT_OF_SCOPE for index in outside]
            report.figures.append(
                Figure(task, "out-of-scope recall", percent(refused), goal=75, baseline="BERT 40-52; plain 70",
                       samples=len(refused))
            )  # fmt: skip
        report.figures.append(Figure(task, "training", seconds, "s", goal=60, at_most=True))

    async def few(self, train: Labelled, test: Labelled | None, report: Report, *, draws: int) -> None:
        """Ten examples an intent, the mean over draws."""
        hits = []
        for draw in range(draws):
            random = np.random.default_rng(draw)
            labels = np.array(train.labels)
            chosen = np.concatenate(
                [random.permutation(np.flatnonzero(labels == label))[:_SHOTS] for label in sorted(set(train.labels))]
            )
            rest = np.setdiff1d(np.arange(len(train)), chosen)
            asked = test if test is not None else train.take(random.permutation(rest)[:_LARGEST_TEST])
            head, _ = await self.train(train.take(chosen))
            verdicts = await self.ask(head, asked)
            hits += [one.intent == label for one, label in zip(verdicts, asked.labels, strict=True)]
        goals = (87, "USE+ConveRT 85.2; plain head 85.3") if train.name == "banking77" else (None, "")
        task = f"{train.name}, {_SHOTS} examples an intent, {draws} draws"
        report.figures.append(
            Figure(task, "accuracy", percent(hits), goal=goals[0], baseline=goals[1], samples=len(hits))
        )

    async def unknown(self, train: Labelled, report: Report) -> None:
        """A fifth of the intents is left out: whether their messages are refused, and what that costs the others."""
        names = sorted(set(train.labels))
        absent = set(np.random.default_rng(1).permutation(names)[: round(_ABSENT * len(names))])
        held = _folds(train) == 0
        is_absent = np.array([label in absent for label in train.labels])
        head, _ = await self.train(train.take(np.flatnonzero(~is_absent & ~held)))
        inside = train.take(np.flatnonzero(~is_absent & held))
        outside = train.take(np.flatnonzero(is_absent)[:_LARGEST_TEST])
        found = await self.ask(head, inside)
        hits = [one.intent == label for one, label in zip(found, inside.labels, strict=True)]
        refused = [one.intent == OUT_OF_SCOPE for one in await self.ask(head, outside)]
        task = f"{train.name}, {len(absent)} of {len(names)} intents unknown"
        report.figures.append(Figure(task, "accuracy of the known ones", percent(hits), samples=len(hits)))
        report.figures.append(Figure(task, "out-of-scope recall", percent(refused), samples=len(refused)))

    async def distinct(self, train: Labelled, report: Report) -> None:
        """Intents that are unlike each other: what refusing everyday questions costs them."""
        chosen = await self._unlike(train)
        held, is_chosen = _folds(train) == 0, np.array([label in chosen for label in train.labels])
        head, _ = await self.train(train.take(np.flatnonzero(is_chosen & ~held)))
        inside = train.take(np.flatnonzero(is_chosen & held))
        hits = [one.intent == label for one, label in zip(await self.ask(head, inside), inside.labels, strict=True)]
        lines = _EVERYDAY.read_text(encoding="utf-8").splitlines()
        everyday = tuple(line for line in lines if line and not line.startswith("#"))
        strangers = Labelled(train.name, everyday, (OUT_OF_SCOPE,) * len(everyday))
        refused = [one.intent == OUT_OF_SCOPE for one in await self.ask(head, strangers)]
        task = f"{train.name}, {len(chosen)} distinct intents, everyday questions unknown"
        report.figures.append(Figure(task, "accuracy of the known ones", percent(hits), goal=95, samples=len(hits)))
        report.figures.append(Figure(task, "out-of-scope recall", percent(refused), goal=75, samples=len(refused)))

    async def _unlike(self, train: Labelled) -> set[str]:
        """Names of intents chosen one by one, each as far as can be from those before."""
        names, labels = sorted(set(train.labels)), np.array(train.labels)
        vectors = (await self.features.vectors(train.texts, purpose="document"))[:, -self.features.plain_size :]
        means = np.stack([vectors[labels == name].mean(axis=0) for name in names])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        likeness = means @ means.T
        chosen = [0]
        while len(chosen) < min(_DISTINCT, len(names)):
            nearest = likeness[:, chosen].max(axis=1)
            nearest[chosen] = np.inf
            chosen.append(int(nearest.argmin()))
        return {names[index] for index in chosen}

    async def train(self, learned: Labelled) -> tuple[Head, float]:
        """A head as the service trains it, and the seconds that took, embeddings included."""
        by_name: dict[str, list[str]] = {}
        for text, label in zip(learned.texts, learned.labels, strict=True):
            by_name.setdefault(label, []).append(text)
        names = sorted(by_name)
        loaded = Loaded(tuple(names), ("",) * len(names), tuple(tuple(by_name[name]) for name in names))
        what = lesson(loaded)
        assert what is not None
        started = time.perf_counter()
        made = await self.trainer.train(self.stage.caller.tenant_id, what, lambda _share, _step: None)
        return codec.decode(made.head), time.perf_counter() - started

    async def ask(self, head: Head, asked: Labelled) -> list[Verdict]:
        """What a head says of messages."""
        return head.classify(await self.features.rows(asked.texts, purpose="document", words=head.needs_words))


async def _speed(stage: Stage, features: Featurizer, report: Report) -> None:
    """One message analysed in full beside one embedding, and messages in batches, by the starter set."""
    analyst = Analyst(Classifier(stage.database, features, Understanding(stage.embedder)))
    tenant = stage.caller.tenant_id
    await analyst.analyse(tenant, [(Message("warm up"), ())])
    texts = [f"Where is invoice {number}, it should be here" for number in range(_MESSAGES)]
    embedding, analysing = [], []
    for number, text in enumerate(texts):
        started = time.perf_counter()
        await stage.embedder.embed([f"When will order {number} come, it is late"], purpose="query")
        embedded = time.perf_counter()
        await analyst.analyse(tenant, [(Message(text), ())])
        embedding.append(embedded - started)
        analysing.append(time.perf_counter() - embedded)
    one, whole = statistics.median(embedding), statistics.median(analysing)
    report.figures.append(
        Figure("a short message analysed in full", "embeddings' time", whole / one, "x", goal=2, at_most=True,
               baseline=f"{1000 * whole:.1f} ms beside {1000 * one:.1f} ms", samples=len(texts))
    )  # fmt: skip
    batch = [(Message(f"Please refund order {number}, it never came"), ()) for number in range(10 * 32)]
    started = time.perf_counter()
    for start in range(0, len(batch), 32):
        await analyst.analyse(tenant, batch[start : start + 32])
    rate = len(batch) / (time.perf_counter() - started)
    report.figures.append(
        Figure("messages analysed in batches", "messages a second", rate, "/s", goal=100, samples=len(batch))
    )


def _read(file: Path, name: str) -> Labelled:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return Labelled(
        name,
        tuple(row["text"] for row in rows),
        tuple(OUT_OF_SCOPE if row["category"] in ("oos", OUT_OF_SCOPE) else row["category"] for row in rows),
    )


def _folds(labelled: Labelled) -> np.ndarray:
    """For each message its part, each intent spread evenly."""
    random = np.random.default_rng(0)
    labels, folds = np.array(labelled.labels), np.empty(len(labelled), dtype=int)
    for label in sorted(set(labelled.labels)):
        own = random.permutation(np.flatnonzero(labels == label))
        folds[own] = np.arange(len(own)) % _FOLDS
    return folds
