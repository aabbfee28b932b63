"""Carries one training out: vectors of the examples, then the training process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from deskwire_server.db.engine import Database
from deskwire_server.embeddings.port import Vectors
from deskwire_server.intents import training_process, training_store
from deskwire_server.intents.features import Featurizer
from deskwire_server.intents.heads.head import OUT_OF_SCOPE
from deskwire_server.intents.models import Loaded

_SLICE = 512
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
    return Lesson(
        tuple(loaded.names[index] for index in kept),
        tuple(text for text, _ in pairs),
        tuple(number for _, number in pairs),
    )


class Trainer:
    """Trains heads. One at a time is enough for the processors of a machine."""

    def __init__(self, database: Database, features: Featurizer, *, processes: int = 2) -> None:
        self._database = database
        self._features = features
        self._processes = min(processes, os.cpu_count() or 1)

    async def train(self, tenant_id: UUID, what: Lesson, progress: Callable[[float, str], None]) -> Made:
        """The head for `what`. Raises `TrainingError`, `EmbedderUnavailable`, `DatabaseUnavailable`."""
        started = time.perf_counter()
        progress(0.0, "embedding")
        vectors = await self._vectors(tenant_id, what.texts, progress)
        with tempfile.TemporaryDirectory(prefix="deskwire-training-") as name:
            folder = Path(name)
            await asyncio.to_thread(self._write, folder, what, vectors)
            del vectors
            await self._run(folder, progress)
            head, report = await asyncio.to_thread(_read, folder)
        report |= {"seconds": time.perf_counter() - started, "embedder": self._features.name}
        return Made(self._features.name, head, report)

    async def _vectors(
        self, tenant_id: UUID, texts: Sequence[str], progress: Callable[[float, str], None]
    ) -> list[Vectors]:
        """Rows of `texts`, a slice at a time; those that are kept already are not made again."""
        rows = []
        for start in range(0, len(texts), _SLICE):
            rows.append(await self._slice(tenant_id, texts[start : start + _SLICE]))
            progress(_EMBEDDING_SHARE * min(1.0, (start + _SLICE) / len(texts)), "embedding")
        hashes = [_hash(text) for text in texts]
        async with self._database.transaction(tenant_id) as connection:
            await training_store.drop_vectors(connection, self._features.name, hashes)
        return rows

    async def _slice(self, tenant_id: UUID, texts: Sequence[str]) -> Vectors:
        hashes = [_hash(text) for text in texts]
        name = self._features.name
        async with self._database.transaction(tenant_id) as connection:
            kept = await training_store.vectors(connection, name, hashes)
        missing = {key: text for key, text in zip(hashes, texts, strict=True) if key not in kept}
        if missing:
            fresh = await self._features.vectors(list(missing.values()), purpose="document")
            made = {key: row.astype("<f2").tobytes() for key, row in zip(missing, fresh, strict=True)}
            async with self._database.transaction(tenant_id) as connection:
                await training_store.keep_vectors(connection, tenant_id, name, made)
            kept |= made
        return np.stack([np.frombuffer(kept[key], dtype="<f2") for key in hashes]).astype(np.float32)

    def _write(self, folder: Path, what: Lesson, vectors: Sequence[Vectors]) -> None:
        with (folder / training_process.VECTORS).open("wb") as file:
            for block in vectors:
                block.astype("<f4", copy=False).tofile(file)
        job = {
            "names": what.names, "labels": what.labels, "texts": what.texts, "columns": vectors[0].shape[1],
            "plain_size": self._features.plain_size,
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


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def _read(folder: Path) -> tuple[bytes, dict[str, Any]]:
    report: dict[str, Any] = orjson.loads((folder / training_process.REPORT).read_bytes())
    return (folder / training_process.HEAD).read_bytes(), report
