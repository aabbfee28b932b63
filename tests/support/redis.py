"""A real Valkey for tests, gone when the test is."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deskwire_server.stack.files import DataFolder
from deskwire_server.stack.valkey import EmbeddedValkey


class TestRedis:
    """A server that a test may stop and start again at the same address."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._folder = DataFolder(folder)
        self._folder.create()
        self._valkey = EmbeddedValkey(self._folder)
        self._valkey.prepare()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address with the password."""
        return self._valkey.url

    async def start(self) -> None:
        """Start and wait until it answers."""
        command = self._valkey.command()
        with (self._folder.logs / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                command.guarded_argv(), env=dict(command.environment), cwd="/", stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        await self._valkey.wait_ready()

    async def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None


@asynccontextmanager
async def running_redis(folder: Path) -> AsyncIterator[TestRedis]:
    """A running server."""
    redis = TestRedis(folder)
    await redis.start()
    try:
        yield redis
    finally:
        await redis.stop()
