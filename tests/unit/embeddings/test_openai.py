"""The OpenAI embedder against a local server that speaks the protocol, well and badly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.openai import OpenAIEmbedder

pytestmark = pytest.mark.enable_socket
Reply = Callable[[dict[str, Any]], web.Response]


@asynccontextmanager
async def _serving(*replies: Reply) -> AsyncIterator[tuple[OpenAIEmbedder, list[dict[str, Any]]]]:
    seen: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        body = await request.json()
        seen.append(body | {"authorization": request.headers.get("authorization", "")})
        return replies[min(len(seen), len(replies)) - 1](body)

    app = web.Application()
    app.router.add_post("/v1/embeddings", answer)
    app.router.add_post("/elsewhere", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    embedder = OpenAIEmbedder(
        api_key="sk-test", model="text-embedding-3-small", dimensions=4, base_url=f"http://127.0.0.1:{port}/v1",
        first_pause=0.001, max_retries=2,
    )  # fmt: skip
    try:
        yield embedder, seen
    finally:
        await embedder.close()
        await runner.cleanup()


def _vectors(body: dict[str, Any], *, size: int = 4, reverse: bool = True) -> web.Response:
    data = [
        {"object": "embedding", "index": index, "embedding": [float(len(text))] + [0.0] * (size - 1)}
        for index, text in enumerate(body["input"])
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return web.json_response(
        {"object": "list", "data": data[::-1] if reverse else data, "model": body["model"], "usage": usage}
    )


def _status(code: int, **headers: str) -> Reply:
    return lambda _: web.json_response({"error": {"message": "no"}}, status=code, headers=headers)


async def test_unit_vectors_in_the_order_asked() -> None:
    async with _serving(_vectors) as (embedder, seen):
        vectors = await embedder.embed(["a", "", "ccc"], purpose="document")
    assert vectors.shape == (3, 4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    assert seen[0]["input"] == ["a", " ", "ccc"]
    assert seen[0]["dimensions"] == 4
    assert seen[0]["authorization"] == "Bearer sk-test"


async def test_many_texts_go_in_several_calls() -> None:
    async with _serving(_vectors) as (embedder, seen):
        vectors = await embedder.embed([f"text {index}" for index in range(300)], purpose="document")
    assert vectors.shape == (300, 4)
    assert [len(body["input"]) for body in seen] == [256, 44]


async def test_retries_what_may_pass() -> None:
    async with _serving(_status(500), _status(429, **{"retry-after": "0"}), _vectors) as (embedder, seen):
        await embedder.embed(["a"], purpose="query")
    assert len(seen) == 3


@pytest.mark.parametrize("code", [400, 401, 404])
async def test_does_not_retry_what_will_not(code: int) -> None:
    async with _serving(_status(code)) as (embedder, seen):
        with pytest.raises(EmbedderUnavailable, match=str(code)) as caught:
            await embedder.embed(["a"], purpose="query")
    assert len(seen) == 1
    assert "sk-test" not in str(caught.value)


async def test_gives_up_after_its_retries() -> None:
    async with _serving(_status(503)) as (embedder, seen):
        with pytest.raises(EmbedderUnavailable):
            await embedder.embed(["a"], purpose="query")
    assert len(seen) == 3


async def test_follows_no_redirect() -> None:
    async with _serving(_status(307, location="/elsewhere"), _vectors) as (embedder, seen):
        with pytest.raises(EmbedderUnavailable):
            await embedder.embed(["a"], purpose="query")
    assert len(seen) == 1


async def test_vectors_of_another_size_are_refused() -> None:
    async with _serving(lambda body: _vectors(body, size=3)) as (embedder, _):
        with pytest.raises(EmbedderUnavailable, match="shape"):
            await embedder.embed(["a"], purpose="query")


async def test_zero_vectors_are_refused() -> None:
    async with _serving(lambda body: _vectors({**body, "input": [""] * len(body["input"])})) as (embedder, _):
        with pytest.raises(EmbedderUnavailable, match="no vector"):
            await embedder.embed(["a"], purpose="query")
