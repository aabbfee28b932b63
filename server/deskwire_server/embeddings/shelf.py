"""The embedders that this server has, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deskwire_server.embeddings.port import Embedder


class Shelf:
    """Embedders by name; the first one is the default, which new tenants use."""

    def __init__(self, embedders: Sequence[Embedder] = ()) -> None:
        self._embedders = {embedder.name: embedder for embedder in embedders}

    @property
    def default(self) -> Embedder | None:
        """The default embedder, None on an empty shelf."""
        return next(iter(self._embedders.values()), None)

    def find(self, name: str, dimensions: int | None = None) -> Embedder | None:
        """The embedder of this name, if its vectors have these dimensions."""
        found = self._embedders.get(name)
        if found is None or dimensions not in (None, found.dimensions):
            return None
        return found

    def __iter__(self) -> Iterator[Embedder]:
        return iter(self._embedders.values())

    def __len__(self) -> int:
        return len(self._embedders)

    async def close(self) -> None:
        """Close all of them."""
        for embedder in self:
            await embedder.close()
