"""What can go wrong with an embedder."""

from __future__ import annotations

from deskwire_server.errors import Unavailable


class EmbedderUnavailable(Unavailable):
    """The embedder did not answer, refused, or answered with something that is no vector."""

    def __init__(self, message: str, *, embedder: str, retry_after: float | None = 1.0) -> None:
        super().__init__(message, retry_after=retry_after, metadata={"dependency": "embedder", "embedder": embedder})
        self.embedder = embedder
