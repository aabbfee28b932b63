"""A real PostgreSQL with pgvector for tests, gone when the test process is."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deskwire_server.stack.files import DataFolder
from deskwire_server.stack.postgres import EmbeddedPostgres


@dataclass(frozen=True)
class TestPostgres:
    """A running server with an empty database `deskwire` and the three roles."""

    __test__ = False

    owner_url: str
    app_url: str
    system_url: str
    superuser_url: str
    """Points to the maintenance database `postgres`."""
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End the server and wait for it."""
        if self.process.poll() is None:
            self.process.send_signal(2)
            self.process.wait(timeout=20)


def start_test_postgres(tmp_dir: Path) -> TestPostgres:
    """Start a server with its data below `tmp_dir`. Call it from the main thread, outside of an event loop."""
    folder = DataFolder(tmp_dir)
    folder.create()
    postgres = EmbeddedPostgres(folder, durable=False)
    postgres.prepare()
    command = postgres.command()
    with (folder.logs / "postgres.log").open("ab") as log:
        process = subprocess.Popen(
            command.guarded_argv(), env=dict(command.environment), cwd="/", stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    urls = postgres.urls
    handle = TestPostgres(urls.owner, urls.app, urls.system, urls.superuser, process)
    try:
        asyncio.run(_ready(postgres))
    except BaseException:
        handle.stop()
        raise
    return handle


async def _ready(postgres: EmbeddedPostgres) -> None:
    await postgres.wait_ready(30)
    await postgres.provision()
