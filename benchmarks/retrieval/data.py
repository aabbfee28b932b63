"""Vectors for measurements: those of real texts, and as many more as are wanted, each near a real one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deskwire_server.embeddings.minilm import MiniLM
from deskwire_server.knowledge.parse import SUPPORTED_ENDINGS, Document, DocumentRejected
from deskwire_server.knowledge.prepare import embedding_texts, prepare_document

Matrix = NDArray[np.float32]
JITTER = 0.5
"""Length of the noise that is added to a unit vector: its cosine with the real one is then about 0.9."""
_BATCH = 32


def real_texts(folder: Path) -> list[str]:
    """Titles, passages and sentences of the help centre below `folder`, and the messages of its intents."""
    centre = folder / "helpcenter"
    texts: list[str] = []
    for path in sorted(centre.rglob("*")):
        if not path.is_file() or path.suffix.lower() not in SUPPORTED_ENDINGS:
            continue
        try:
            article = prepare_document(Document(path.relative_to(centre).as_posix(), path.read_bytes()))
        except DocumentRejected:
            continue
        places = [(row.start, row.end, row.heading_path) for row in article.passages]
        draft = article.draft
        texts.extend(embedding_texts(draft.title, draft.summary, draft.content, places).all())
    for file in sorted((folder / "intents").glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            texts.extend(row["text"] for row in csv.DictReader(lines))
    return list(dict.fromkeys(texts))


def real_vectors(folder: Path, cache: Path) -> Matrix:
    """Vectors of `real_texts` by the local model, kept in the file `cache`: some minutes of one core otherwise."""
    if cache.is_file():
        kept: Matrix = np.load(cache)
        return kept
    model = MiniLM.load()
    encoded = [model.encode(text) for text in real_texts(folder)]
    order = sorted(range(len(encoded)), key=lambda place: len(encoded[place]))
    vectors = np.empty((len(encoded), 384), dtype=np.float32)
    for start in range(0, len(order), _BATCH):
        places = order[start : start + _BATCH]
        vectors[places] = model.embed_encoded([encoded[place] for place in places])
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.save(cache, vectors)
    return vectors


def jittered(real: Matrix, count: int, seed: int) -> Matrix:
    """`count` unit vectors, each one of `real` with noise of its own."""
    random = np.random.default_rng(seed)
    made = np.empty((count, real.shape[1]), dtype=np.float32)
    for part in _parts(count):
        rows = real[random.integers(0, len(real), part.stop - part.start)]
        noise = random.standard_normal(rows.shape, dtype=np.float32) * np.float32(JITTER / np.sqrt(real.shape[1]))
        rows = rows + noise
        made[part] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return made


def nearest(vectors: Matrix, questions: Matrix, count: int) -> list[list[int]]:
    """Rows of `vectors` nearest to each question, best first, found by comparing all."""
    found: list[list[int]] = []
    for question in questions:
        scores = vectors @ question
        best = np.argpartition(-scores, count)[:count]
        found.append(best[np.argsort(-scores[best])].tolist())
    return found


def _parts(count: int, size: int = 50_000) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(count, start + size))
