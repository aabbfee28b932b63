"""A second embedder: gives what the first one gives, and is gone afterwards."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from deskwire_server.embeddings import helper
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.minilm import MiniLM

pytestmark = pytest.mark.enable_socket


async def test_a_second_embedder_gives_the_same_rows_and_ends() -> None:
    texts = ["Where is my card?", "The rate is wrong"]
    async with helper.second_embedder() as second:
        rows = await second.embed_layers(texts, purpose="document")
    model = MiniLM.load()
    assert np.allclose(rows, model.embed_layers([model.encode(text) for text in texts]), atol=1e-5)
    with pytest.raises(EmbedderUnavailable):
        await second.ping()


async def test_one_that_does_not_start_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EmbedderUnavailable, match="did not start"):
        async with helper.second_embedder():
            raise AssertionError("it must not be given")
