"""What an embedder is. Vectors belong to the embedder that made them: its name and dimensions travel with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

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


@dataclass(frozen=True, slots=True)
class Match:
    """How the words of a question stand to texts, each word read in its context."""

    words: tuple[str, ...]
    """The question's, in lower case, in order, marks among them."""
    question: Vectors
    """Unit vector of the question."""
    texts: Vectors
    """Unit vectors of the texts, in order."""
    likeness: NDArray[np.float32]
    """Shape (words, texts): cosine of a word with the likest one of a text."""


@runtime_checkable
class Matcher(Protocol):
    """An embedder that also compares single words."""

    async def match(self, question: str, texts: Sequence[str]) -> Match | None:
        """Compare `question` with `texts`. None where this embedder can't. Raises `EmbedderUnavailable`."""
        ...
