"""Measures HNSW indexes: time to build, size, recall and time of a search, by settings and number of vectors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import numpy as np

from benchmarks.retrieval.data import Matrix, jittered, nearest

_QUESTIONS = 200
_NEAREST = 10
_COPIED = 5_000


@dataclass(frozen=True, slots=True)
class Build:
    """One index to build."""

    kind: str
    """`vector` or `halfvec`."""
    m: int
    ef_construction: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the table."""

    vectors: int
    build: Build
    build_seconds: float
    megabytes: float
    ef_search: int
    recall: float
    p50: float
    """Milliseconds."""
    p99: float


async def measure(
    url: str, real: Matrix, count: int, builds: Sequence[Build], searches: Sequence[int], seed: int = 7
) -> list[Measured]:
    """Build each index over the same `count` vectors and ask it the same questions."""
    vectors = jittered(real, count, seed)
    questions = jittered(real, _QUESTIONS, seed + 1)
    truth = nearest(vectors, questions, _NEAREST)
    connection = await asyncpg.connect(url, command_timeout=7_200)
    lines: list[Measured] = []
    try:
        for kind in dict.fromkeys(build.kind for build in builds):
            await _load(connection, vectors, kind)
            for build in (one for one in builds if one.kind == kind):
                lines.extend(await _measure(connection, build, count, questions, truth, searches))
            await connection.execute("DROP TABLE bench_vectors")
    finally:
        await connection.close()
    return lines


async def _load(connection: Any, vectors: Matrix, kind: str) -> None:
    await connection.execute("DROP TABLE IF EXISTS bench_vectors, bench_staged")
    await connection.execute(f"CREATE TABLE bench_vectors (id int, embedding {kind}(384) STORAGE PLAIN)")
    await connection.execute("CREATE UNLOGGED TABLE bench_staged (id int, embedding real[])")
    for start in range(0, len(vectors), _COPIED):
        rows = [(start + place, row.tolist()) for place, row in enumerate(vectors[start : start + _COPIED])]
        await connection.copy_records_to_table("bench_staged", records=rows)
        await connection.execute(
            f"INSERT INTO bench_vectors SELECT id, embedding::vector(384)::{kind}(384) FROM bench_staged"
        )
        await connection.execute("TRUNCATE bench_staged")
    await connection.execute("ANALYZE bench_vectors")


async def _measure(
    connection: Any,
    build: Build,
    count: int,
    questions: Matrix,
    truth: Sequence[Sequence[int]],
    searches: Sequence[int],
) -> list[Measured]:
    await connection.execute("DROP INDEX IF EXISTS bench_index")
    started = time.perf_counter()
    await connection.execute(
        f"CREATE INDEX bench_index ON bench_vectors USING hnsw (embedding {build.kind}_ip_ops) "
        f"WITH (m = {build.m}, ef_construction = {build.ef_construction})"
    )
    took = time.perf_counter() - started
    size = await connection.fetchval("SELECT pg_relation_size('bench_index')") / 1e6
    query = f"SELECT id FROM bench_vectors ORDER BY embedding <#> $1::text::{build.kind}(384) LIMIT {_NEAREST}"
    lines = []
    literals = ["[" + ",".join(f"{value:.6g}" for value in row.tolist()) + "]" for row in questions]
    for ef_search in searches:
        await connection.execute(f"SET hnsw.ef_search = {ef_search}")
        for literal in literals[:50]:
            await connection.fetch(query, literal)
        times, hits = [], 0
        for literal, right in zip(literals, truth, strict=True):
            begun = time.perf_counter()
            rows = await connection.fetch(query, literal)
            times.append(1_000 * (time.perf_counter() - begun))
            hits += len({row["id"] for row in rows} & set(right))
        recall = hits / (_NEAREST * len(literals))
        p50, p99 = np.percentile(times, [50, 99])
        lines.append(Measured(count, build, took, size, ef_search, recall, float(p50), float(p99)))
    return lines
