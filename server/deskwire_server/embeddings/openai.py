"""Embeddings of OpenAI, or of a server that speaks its protocol."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Literal

import httpx2
import numpy as np
from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, OpenAIError

from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Vectors

_BATCH_TEXTS = 256
_BATCH_CHARS = 200_000
_MAX_CHARS = 24_000
"""Longer texts are cut: the models take some 8,000 tokens."""


class OpenAIEmbedder:
    """An embedding model over HTTP. Retries what may pass by itself, with a growing pause."""

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        dimensions: int = 1536,
        base_url: str | None = None,
        timeout: float = 10.0,
        max_retries: int = 3,
        first_pause: float = 0.5,
    ) -> None:
        """`base_url` ends in `/v1`; times in seconds. Redirects and proxies of the environment are not followed."""
        self.name = f"openai/{model}"
        self.dimensions = dimensions
        self._model = model
        self._max_retries = max_retries
        self._first_pause = first_pause
        # The older model has one size and refuses to be asked for another.
        self._asks_size = not model.endswith("ada-002")
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=base_url or "https://api.openai.com/v1",
            max_retries=0,
            timeout=timeout,
            http_client=httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=timeout),
        )

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        """Embed `texts` in order. Raises `EmbedderUnavailable`."""
        parts = [await self._batch(batch) for batch in _batches(texts)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimensions), dtype=np.float32)

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    async def _batch(self, texts: list[str]) -> Vectors:
        attempt = 0
        while True:
            try:
                return await self._call(texts)
            except (APIConnectionError, APITimeoutError) as error:
                failure: OpenAIError = error
            except APIStatusError as error:
                if error.status_code not in (408, 409, 429) and error.status_code < 500:
                    raise self._unavailable(f"refused the request ({error.status_code})", None) from error
                failure = error
            if attempt >= self._max_retries:
                raise self._unavailable("did not answer", 5.0) from failure
            await asyncio.sleep(_pause(failure, self._first_pause * 2**attempt))
            attempt += 1

    async def _call(self, texts: list[str]) -> Vectors:
        if self._asks_size:
            reply = await self._client.embeddings.create(
                model=self._model, input=texts, encoding_format="float", dimensions=self.dimensions
            )
        else:
            reply = await self._client.embeddings.create(model=self._model, input=texts, encoding_format="float")
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for item in reply.data:
            if not 0 <= item.index < len(texts) or len(item.embedding) != self.dimensions:
                raise self._unavailable("answered with vectors of another shape", None)
            vectors[item.index] = item.embedding
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if len(reply.data) != len(texts) or not np.isfinite(norms).all() or not (norms > 0).all():
            raise self._unavailable("answered with something that is no vector", None)
        unit: Vectors = vectors / norms
        return unit

    def _unavailable(self, what: str, retry_after: float | None) -> EmbedderUnavailable:
        return EmbedderUnavailable(f"the embedder {self.name} {what}", embedder=self.name, retry_after=retry_after)


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    chars = 0
    for text in texts:
        # An empty input is refused by the API.
        shown = text[:_MAX_CHARS] or " "
        if batch and (len(batch) == _BATCH_TEXTS or chars + len(shown) > _BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(shown)
        chars += len(shown)
    if batch:
        yield batch


def _pause(error: OpenAIError, fallback: float) -> float:
    """Seconds to wait: what the server asks for where it does, within reason."""
    if isinstance(error, APIStatusError):
        asked = error.response.headers.get("retry-after", "")
        if asked.replace(".", "", 1).isdigit():
            return min(float(asked), 20.0)
    return fallback * (1 + random.random() / 2)  # noqa: S311 - spreads retries, hides nothing
