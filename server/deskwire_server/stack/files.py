"""Private files of the data folder: layout, secrets, remembered ports, the lock of a running stack."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deskwire_server.stack.errors import StackError

_SOCKET_PATH_LIMIT = 107
"""Bytes that a Unix socket's path may have."""
_updating = threading.Lock()
"""Held from reading a file to writing it anew: parts start side by side and share these files."""


class DataFolder:
    """The folder that holds everything a stack on one machine keeps. Relative paths are resolved once, here."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.run = self.root / "run"
        self.logs = self.root / "logs"
        self.postgres = self.root / "postgres"
        self.valkey = self.root / "valkey"
        self.secrets_file = self.root / "secrets.json"
        self.ports_file = self.root / "ports.json"
        self.state_file = self.run / "state.json"
        self.children_file = self.run / "children.json"
        self.lock_file = self.run / "lock"

    def create(self) -> None:
        """Make the folders, closed to everybody else. Raises StackError when that is not possible."""
        for folder in (self.root, self.run, self.logs):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StackError(f"cannot create the data folder {folder}: {error.strerror}") from error
        if self.root.stat().st_uid == os.geteuid():
            self.root.chmod(0o700)
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise StackError(f"the data folder {self.root} is not writable: change its rights or set DESKWIRE_DATA_DIR")

    def socket_path(self, name: str) -> Path:
        """Where to put the Unix socket `name`: in the data folder, or in a short private one when that is too long."""
        path = self.run / name
        if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
            return path
        short = self._short_sockets()
        short.mkdir(mode=0o700, exist_ok=True)
        found = short.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise StackError(
                f"{short} is not a private folder of yours: remove it, or set DESKWIRE_DATA_DIR to a shorter path"
            )
        return short / name

    def remove_short_sockets(self) -> None:
        """Remove the short folder of sockets, where there is one."""
        shutil.rmtree(self._short_sockets(), ignore_errors=True)

    def _short_sockets(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"deskwire-{os.geteuid()}-{digest}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one running stack. Raises StackError when another one has it."""
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode().strip()
                raise StackError(
                    f"Deskwire is already running on {self.root} (process {holder or 'unknown'}): "
                    "stop it first, or set DESKWIRE_DATA_DIR to another folder"
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step by a file of mode 0600."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_object(path: Path) -> dict[str, object]:
    """The JSON object in `path`, empty when there is no such file. Raises StackError when it is something else."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StackError(f"cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise StackError(f"cannot read {path}: it holds no JSON object")
    return value


def load_secrets(folder: DataFolder, names: tuple[str, ...]) -> Mapping[str, str]:
    """The folder's secrets; those of `names` that are missing are made up and kept."""
    with _updating:
        known = {name: str(value) for name, value in read_object(folder.secrets_file).items()}
        missing = {name: secrets.token_urlsafe(24) for name in names if name not in known}
        if missing:
            known |= missing
            write_private(folder.secrets_file, json.dumps(known, indent=2))
    return known


def remembered_port(folder: DataFolder, name: str) -> int | None:
    """The port that `name` had in an earlier run."""
    value = read_object(folder.ports_file).get(name)
    return value if isinstance(value, int) else None


def remember_port(folder: DataFolder, name: str, port: int) -> None:
    """Keep the port of `name` for later runs."""
    with _updating:
        write_private(folder.ports_file, json.dumps(read_object(folder.ports_file) | {name: port}, indent=2))
