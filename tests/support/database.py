"""Databases for tests: one server a test process, migrated once; each test gets tenants of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deskwire_server.db import migrate
from tests.support.postgres import TestPostgres, start_test_postgres


@contextmanager
def migrated_postgres() -> Iterator[TestPostgres]:
    """A running server whose database is at the newest version."""
    with tempfile.TemporaryDirectory(prefix="deskwire-test-") as folder:
        postgres = start_test_postgres(Path(folder))
        try:
            migrate.upgrade_blocking(postgres.owner_url)
            yield postgres
        finally:
            postgres.stop()
