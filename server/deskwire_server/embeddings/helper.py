"""A second local embedder for a while: much to embed is done twice as fast, and questions need not wait for it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.local import NAME, LocalEmbedder

_START = 30.0
"""Seconds that it may take to start."""
_NICENESS = 5


@asynccontextmanager
async def second_embedder() -> AsyncIterator[LocalEmbedder]:
    """An embedder in a process of its own at low priority, ended at the end. Raises `EmbedderUnavailable`."""
    with tempfile.TemporaryDirectory(prefix="deskwire-embedder-") as folder:
        socket = Path(folder) / "embedder.sock"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deskwire_server.embeddings.process", "--socket", str(socket),
            "--die-with-parent", "--nice", str(_NICENESS), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        embedder = LocalEmbedder(socket)
        try:
            await _ready(process)
            yield embedder
        finally:
            await embedder.close()
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START):
            line = await process.stdout.readline()
    except TimeoutError as error:
        raise EmbedderUnavailable("a second embedder did not start in time", embedder=NAME) from error
    if line != b"ready\n":
        raise EmbedderUnavailable("a second embedder did not start", embedder=NAME)
