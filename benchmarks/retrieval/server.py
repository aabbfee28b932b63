"""A Postgres of its own for measurements, with memory for large indexes."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deskwire_server.db.migrate import upgrade_blocking
from deskwire_server.stack.files import DataFolder
from deskwire_server.stack.postgres import EmbeddedPostgres, PostgresUrls

_MEMORY = {"shared_buffers": "3GB", "maintenance_work_mem": "3GB", "max_wal_size": "8GB", "autovacuum": "off"}


@contextmanager
def large_postgres(folder: Path | None = None) -> Iterator[PostgresUrls]:
    """A running, migrated server below `folder`, a throwaway one without; not durable."""
    with tempfile.TemporaryDirectory(prefix="deskwire-bench-") as made:
        data = DataFolder(folder or Path(made))
        data.create()
        postgres = EmbeddedPostgres(data, durable=False)
        postgres.prepare()
        command = postgres.command()
        options = [part for name, value in _MEMORY.items() for part in ("-c", f"{name}={value}")]
        with (data.logs / "postgres.log").open("ab") as log:
            process = subprocess.Popen(
                [*command.guarded_argv(), *options], env=dict(command.environment), cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            asyncio.run(_ready(postgres))
            upgrade_blocking(postgres.urls.owner)
            yield postgres.urls
        finally:
            process.send_signal(2)
            process.wait(timeout=60)


async def _ready(postgres: EmbeddedPostgres) -> None:
    await postgres.wait_ready(60)
    await postgres.provision()
