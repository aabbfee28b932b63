"""The settings choose the embedder."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskwire_server.embeddings.factory import build_embedder


@pytest.mark.parametrize(
    ("kind", "key", "name", "dimensions"),
    [
        ("auto", None, "local/all-MiniLM-L6-v2", 384),
        ("auto", "sk-x", "openai/text-embedding-3-small", 1536),
        ("local", "sk-x", "local/all-MiniLM-L6-v2", 384),
        ("openai", "sk-x", "openai/text-embedding-3-small", 1536),
    ],
)
async def test_choice(kind: str, key: str | None, name: str, dimensions: int) -> None:
    embedder = build_embedder(kind, socket=Path("e.sock"), redis=None, cache_ttl=60, openai_api_key=key)
    assert embedder is not None
    assert (embedder.name, embedder.dimensions) == (name, dimensions)
    await embedder.close()


def test_none() -> None:
    assert build_embedder("none", socket=Path("e.sock"), redis=None, cache_ttl=60) is None


@pytest.mark.parametrize("kind", ["openai", "word2vec"])
def test_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="embedder"):
        build_embedder(kind, socket=Path("e.sock"), redis=None, cache_ttl=60)
