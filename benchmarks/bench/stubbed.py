"""A Deskwire worker that keeps its turns in memory, to show what storage costs. For benchmarks only."""

from __future__ import annotations

import sys
from functools import partial

import uvloop

from benchmarks.bench.memory_store import MemoryTurnStore
from deskwire_server import app, logs, worker
from deskwire_server.settings import Settings


def main() -> int:
    """Serve until a signal comes, as the real worker does."""
    settings = Settings()
    logs.configure(level=settings.log_level, json=True, mask=settings.mask_pii_in_logs)
    return uvloop.run(worker.serve(settings, partial(app.build, store=MemoryTurnStore)))


if __name__ == "__main__":
    sys.exit(main())
