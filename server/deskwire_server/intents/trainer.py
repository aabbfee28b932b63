"""Carries one training out: vectors of the examples, then the training process."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from deskwire_server.db.engine import Database
from deskwire_server.embeddings.port import Vectors
from deskwire_server.intents import naming, training_process
from deskwire_server.intents.example_vectors import ExampleVectors
from deskwire_server.intents.features import Featurizer
from deskwire_server.intents.heads.head import OUT_OF_SCOPE
from deskwire_server.intents.models import Loaded

_EMBEDDING_SHARE = 0.6
_LONGEST = 600.0
"""Seconds after which the training process is given up."""
_LEAST_EXAMPLES, _LEAST_INTENTS = 2, 2


class TrainingError(Exception):
    """The training gave no head; the message is fit to be shown."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned: texts with the index of their intent's name."""

    names: tuple[str, ...]
    texts: tuple[str, ...]
    labels: tuple[int, ...]
    aids: int = 0
    """Texts, the last ones, that are no messages but what intents are called."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a training made."""

    embedder: str
    head: bytes
    report: dict[str, Any]


def lesson(loaded: Loaded) -> Lesson | None:
    """The intents that have enough examples; None when too few do."""
    kept = [index for index, examples in enumerate(loaded.examples) if len(examples) >= _LEAST_EXAMPLES]
    if sum(loaded.names[index] != OUT_OF_SCOPE for index in kept) < _LEAST_INTENTS:
        return None
    pairs = [(text, number) for number, index in enumerate(kept) for text in loaded.examples[index]]
    aids = [
        (text, number)
        for number, index in enumerate(kept)
        for text in naming.texts(loaded.names[index], loaded.descriptions[index], loaded.examples[index])
    ]
    every = pairs + aids
    return Lesson(
        tuple(loaded.names[index] for index in kept),
        tuple(text for text, _ in every),
        tuple(number for _, number in every),
        len(aids),
    )


class Trainer:
    """Trains heads. One at a time is enough for the processors of a machine."""

    def __init__(self, database: Database, features: Featurizer, *, processes: int = 2) -> None:
        self._features = features
        self._processes = min(processes, os.cpu_count() or 1)
        self._vectors = ExampleVectors(database, features, twice=self._processes > 1)

    async def train(self, tenant_id: UUID, what: Lesson, progress: Callable[[float, str], None]) -> Made:
        """The head for `what`. Raises `TrainingError`, `EmbedderUnavailable`, `DatabaseUnavailable`."""
        started = time.perf_counter()
        progress(0.0, "embedding")

        def embedded(share: float) -> None:
            progress(_EMBEDDING_SHARE * share, "embedding")

        vectors = await self._vectors.of(tenant_id, what.texts, embedded)
        with tempfile.TemporaryDirectory(prefix="deskwire-training-") as name:
            folder = Path(name)
            await asyncio.to_thread(self._write, folder, what, vectors)
            del vectors
            await self._run(folder, progress)
            head, report = await asyncio.to_thread(_read, folder)
        report |= {"seconds": time.perf_counter() - started, "embedder": self._features.name}
        return Made(self._features.name, head, report)

    def _write(self, folder: Path, what: Lesson, vectors: Sequence[Vectors]) -> None:
        with (folder / training_process.VECTORS).open("wb") as file:
            for block in vectors:
                block.astype("<f4", copy=False).tofile(file)
        job = {
            "names": what.names, "labels": what.labels, "texts": what.texts, "columns": vectors[0].shape[1],
            "plain_size": self._features.plain_size, "aids": what.aids,
        }  # fmt: skip
        (folder / training_process.JOB).write_bytes(orjson.dumps(job))

    async def _run(self, folder: Path, progress: Callable[[float, str], None]) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", training_process.__name__, str(folder), "--processes", str(self._processes),
            "--parent", str(os.getpid()), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_LONGEST):
                assert process.stdout is not None
                assert process.stderr is not None
                errors = asyncio.create_task(process.stderr.read())
                async for line in process.stdout:
                    share, _, step = line.decode().strip().partition(" ")
                    progress(_EMBEDDING_SHARE + (1 - _EMBEDDING_SHARE) * float(share), step)
                code = await process.wait()
                said = (await errors).decode(errors="replace")
        except TimeoutError as error:
            raise TrainingError(f"it took longer than {_LONGEST:.0f} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code != 0:
            raise TrainingError("the training process failed") from RuntimeError(said[-2_000:])


def _read(folder: Path) -> tuple[bytes, dict[str, Any]]:
    report: dict[str, Any] = orjson.loads((folder / training_process.REPORT).read_bytes())
    return (folder / training_process.HEAD).read_bytes(), report
