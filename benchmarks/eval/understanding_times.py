"""Takes the times of the analyses on one core, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Sequence

from benchmarks.eval import labelled
from deskwire_server.embeddings.minilm import MiniLM
from deskwire_server.embeddings.port import Vectors
from deskwire_server.understanding import loading
from deskwire_server.understanding.analyses import MessageToAnalyse, Registry, with_vectors

_TIMED = 60
_BATCH = 96


class DirectEmbedder:
    """The local embedder in this very process."""

    name, dimensions = "local/all-MiniLM-L6-v2", 384

    def __init__(self) -> None:
        self._model = MiniLM.load()

    async def embed(self, texts: Sequence[str], *, purpose: str) -> Vectors:
        """Embed `texts`; blocking."""
        return self._model.embed(texts)

    async def close(self) -> None:
        """Nothing to close."""


async def main() -> None:
    """Print the medians in milliseconds, and the messages of a batch a second, all of processor time."""
    await loading.ready()
    registry, embedder = Registry(), DirectEmbedder()
    texts = [row.text for row in labelled.messages("development")]
    whole, alone = [], []
    for text in texts[:_TIMED]:
        started = time.process_time()
        await embedder.embed([text], purpose="query")
        embedded = time.process_time()
        await registry.analyse(MessageToAnalyse.of(text, embedder))
        whole.append(1000 * (time.process_time() - embedded))
        alone.append(1000 * (embedded - started))
    started = time.process_time()
    for message in await with_vectors([MessageToAnalyse.of(text, embedder) for text in texts[-_BATCH:]], embedder):
        await registry.analyse(message)
    rate = _BATCH / (time.process_time() - started)
    figures = {"whole": statistics.median(whole), "embedding": statistics.median(alone), "rate": rate}
    print(json.dumps(figures | {"messages": _TIMED, "batch": _BATCH}))


if __name__ == "__main__":
    asyncio.run(main())
