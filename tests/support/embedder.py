"""The real local embedder in a process of its own, for as long as tests need it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_embedder(folder: Path) -> Iterator[Path]:
    """The socket of an embedder that answers."""
    socket = folder / "embedder.sock"
    process = subprocess.Popen(
        [sys.executable, "-m", "deskwire_server.embeddings.process", "--socket", str(socket), "--die-with-parent"],
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", "the embedder did not start"
        yield socket
    finally:
        process.terminate()
        process.communicate(timeout=30)
