"""Runs the measurements that are named and prints their tables: `python -m benchmarks.retrieval index search`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.eval.data import data_folder
from benchmarks.retrieval import hnsw
from benchmarks.retrieval.data import Matrix, real_vectors
from benchmarks.retrieval.server import large_postgres

_SEARCHES = (40, 100, 200)
_BUILDS = {
    10_000: [hnsw.Build(kind, m, ef) for kind in ("vector", "halfvec") for m, ef in ((16, 64), (24, 128))],
    100_000: [hnsw.Build(kind, m, ef) for kind in ("vector", "halfvec") for m, ef in ((16, 64), (24, 128))],
    1_000_000: [hnsw.Build("halfvec", 16, 64)],
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=["index", "search"], help="what to measure")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000], help="vectors of each index")
    parser.add_argument("--chunks", type=int, default=100_000, help="passages of the largest tenant of `search`")
    parser.add_argument("--cache", type=Path, default=Path(".cache/bench-vectors.npy"), help="file of real vectors")
    options = parser.parse_args()
    console = Console(width=140)
    real = real_vectors(data_folder(), options.cache)
    console.print(f"{len(real):,} real vectors; each size is made of them by jitter")
    with large_postgres() as urls:
        if "index" in options.parts:
            for size in options.sizes:
                _show_index(asyncio.run(_index(urls.superuser, real, size)), console)
        if "search" in options.parts:
            # Late: it needs the whole service.
            from benchmarks.retrieval import tenants

            asyncio.run(tenants.measure(urls, real, options.chunks, console))
    return 0


async def _index(url: str, real: Matrix, size: int) -> list[hnsw.Measured]:
    return await hnsw.measure(url.rpartition("/")[0] + "/deskwire", real, size, _BUILDS[size], _SEARCHES)


def _show_index(lines: list[hnsw.Measured], console: Console) -> None:
    table = Table(title=f"HNSW over {lines[0].vectors:,} vectors", title_justify="left")
    names = ("type", "m", "ef_construction", "build s", "MB", "ef_search", "recall@10", "p50 ms", "p99 ms")
    for name in names:
        table.add_column(name, justify="left" if name == "type" else "right")
    for line in lines:
        table.add_row(
            line.build.kind, str(line.build.m), str(line.build.ef_construction), f"{line.build_seconds:.0f}",
            f"{line.megabytes:.0f}", str(line.ef_search), f"{line.recall:.3f}", f"{line.p50:.2f}", f"{line.p99:.2f}",
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
