"""What the tests of this folder share: plain logs, since drawn tracebacks take seconds each, and an embedder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from deskwire_server import logs
from tests.support.embedder import running_embedder


@pytest.fixture(scope="package", autouse=True)
def plain_logs() -> Iterator[None]:
    """The usual processors with a plain renderer, for the tests of this folder."""
    before = structlog.get_config()
    structlog.configure(
        processors=[
            logs.with_context,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Socket of a local embedder, the same for a file's tests."""
    with running_embedder(tmp_path_factory.mktemp("embedder")) as socket:
        yield socket
