"""The embedders that a server has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deskwire_server.embeddings.factory import build_embedder, build_shelf
from deskwire_server.embeddings.shelf import Shelf

SETTINGS: dict[str, Any] = {"socket": Path("/nowhere/embedder.sock"), "redis": None, "cache_ttl": 0}
LOCAL, OPENAI = "local/all-MiniLM-L6-v2", "openai/text-embedding-3-small"


async def test_the_default_comes_first_and_each_once() -> None:
    local = build_shelf(build_embedder("local", **SETTINGS), **SETTINGS)
    assert [embedder.name for embedder in local] == [LOCAL]
    keyed = {**SETTINGS, "openai_api_key": "sk-test"}
    for kind, names in (("auto", [OPENAI, LOCAL]), ("local", [LOCAL, OPENAI])):
        shelf = build_shelf(build_embedder(kind, **keyed), **keyed)
        assert [embedder.name for embedder in shelf] == names
        assert shelf.default is not None
        assert shelf.default.name == names[0]
        await shelf.close()
    await local.close()


async def test_none_is_none() -> None:
    shelf = build_shelf(build_embedder("none", **SETTINGS), **{**SETTINGS, "openai_api_key": "sk-test"})
    assert len(shelf) == 0
    assert shelf.default is None
    assert not Shelf()


async def test_dimensions_have_to_fit() -> None:
    shelf = build_shelf(build_embedder("local", **SETTINGS), **SETTINGS)
    assert shelf.find(LOCAL, 384) is shelf.find(LOCAL) is not None
    assert shelf.find(LOCAL, 512) is None
    assert shelf.find("local/other") is None
    await shelf.close()
