"""What an embedder is. Vectors belong to the embedder that made them: its name and dimensions travel with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Shape (texts, dimensions), each row of length 1."""


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """Stable name stored with every vector, such as `local/all-MiniLM-L6-v2`."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of each vector."""
        ...

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        """Embed `texts` in order. Raises `EmbedderUnavailable`; never blocks the event loop."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
