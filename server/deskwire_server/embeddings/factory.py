"""Chooses the embedder that the settings ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from deskwire_server.embeddings.cache import CachedEmbedder
from deskwire_server.embeddings.local import LocalEmbedder
from deskwire_server.embeddings.port import Embedder
from deskwire_server.embeddings.shelf import Shelf


def build_embedder(
    kind: str,
    *,
    socket: Path,
    redis: Redis | None,
    cache_ttl: int,
    openai_api_key: str | None = None,
    openai_model: str = "text-embedding-3-small",
    openai_base_url: str | None = None,
    timeout: float = 10.0,
    max_retries: int = 3,
) -> CachedEmbedder | None:
    """The embedder of `kind`: `auto` (OpenAI where a key is set), `local`, `openai`, or `none`, which gives None.

    Raises `ValueError` for another kind, and for `openai` without a key.
    """
    if kind == "none":
        return None
    if kind not in ("auto", "local", "openai"):
        raise ValueError(f"unknown embedder {kind!r}: choose auto, local, openai or none")
    if kind == "openai" and not openai_api_key:
        raise ValueError("the openai embedder needs OPENAI_API_KEY")
    inner: Embedder
    if openai_api_key and kind != "local":
        # Late: it brings the vendor's library along, half a second that a server without a key need not spend.
        from deskwire_server.embeddings.openai import OpenAIEmbedder

        inner = OpenAIEmbedder(
            api_key=openai_api_key,
            model=openai_model,
            base_url=openai_base_url,
            timeout=timeout,
            max_retries=max_retries,
        )
    else:
        inner = LocalEmbedder(socket)
    return CachedEmbedder(inner, redis, ttl=cache_ttl)


def build_shelf(default: CachedEmbedder | None, **settings: Any) -> Shelf:
    """All embedders that this server has, `default` first: the local one, and OpenAI's where a key is set.

    `settings` are those of `build_embedder`. Without a default there is none at all.
    """
    if default is None:
        return Shelf()
    kinds = ("local", "openai") if settings.get("openai_api_key") else ("local",)
    others = [build_embedder(kind, **settings) for kind in kinds]
    return Shelf([default, *(other for other in others if other is not None and other.name != default.name)])
