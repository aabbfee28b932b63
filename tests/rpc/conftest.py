"""Logs of servers under test as plain lines: drawn tracebacks take seconds each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from deskwire_server import logs


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
