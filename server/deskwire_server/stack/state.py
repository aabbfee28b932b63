"""What a running stack tells other commands about itself, in a private file of the data folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

import psutil

from deskwire_server.settings import Settings
from deskwire_server.stack.errors import StackError
from deskwire_server.stack.files import DataFolder, read_object, write_private


@dataclass(frozen=True)
class ProcessId:
    """A process id with the time it began (seconds since 1970), which tells it from a later process of the same id."""

    pid: int
    began: float

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """The id of a living process. Raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process, or None when it is gone."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.began) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


@dataclass(frozen=True)
class DatabaseUrls:
    """Where the parts of Deskwire reach Postgres, each with its own role."""

    app: str
    """For the workers."""
    system: str | None
    """For the workers' content-free tables; None when nobody named one."""
    owner: str | None
    """For migrations; None when nobody named one, and then nothing is migrated."""
    superuser: str | None = None
    """The embedded one's superuser."""


@dataclass(frozen=True)
class RunState:
    """Addresses of a running stack. URLs carry passwords: never print them."""

    launcher: ProcessId
    http_url: str
    """Envoy's HTTP listener, without a slash at the end."""
    grpc_address: str
    """Envoy's gRPC listener as host:port."""
    database_url: str
    """Postgres as the application role."""
    database_system_url: str | None
    """Postgres as the system role."""
    database_owner_url: str | None
    """Postgres as the owner, for migrations; None when nobody named one."""
    database_superuser_url: str | None
    """The embedded Postgres as its superuser; None for one of somebody else."""
    redis_url: str
    embedder_socket: str | None
    """None when no local embedder runs."""
    admin_socket: str
    """Unix socket of Envoy's admin interface."""
    workers: list[list[int]]
    """Pairs of gRPC port and HTTP side port."""

    def save(self, folder: DataFolder) -> None:
        """Write the file anew, mode 0600."""
        write_private(folder.state_file, json.dumps(asdict(self), indent=2))


def load(settings: Settings) -> RunState | None:
    """The state of the stack that runs on the settings' data folder, or None when none does."""
    state = read(DataFolder(settings.data_dir))
    return state if state and state.launcher.process() else None


def read(folder: DataFolder) -> RunState | None:
    """What the file says, whether the stack still runs or not. Raises StackError when it makes no sense."""
    values = read_object(folder.state_file)
    if not values:
        return None
    try:
        launcher = ProcessId(**values.pop("launcher"))  # type: ignore[arg-type]
        return RunState(launcher=launcher, **values)  # type: ignore[arg-type]
    except (KeyError, TypeError) as error:
        raise StackError(f"cannot read {folder.state_file}: delete it, nothing is lost by that") from error


def save_children(folder: DataFolder, children: Mapping[str, ProcessId]) -> None:
    """Note which processes belong to the stack, for the start after a launcher that was killed."""
    write_private(folder.children_file, json.dumps({name: asdict(child) for name, child in children.items()}))


def forget(folder: DataFolder) -> None:
    """Remove both files: nothing runs any more."""
    folder.state_file.unlink(missing_ok=True)
    folder.children_file.unlink(missing_ok=True)


def end_leftovers(folder: DataFolder, patience: float = 3) -> None:
    """Wait until the children of a killed launcher are gone, and kill those that stay. Hold the folder's lock."""
    try:
        children = [ProcessId(**values) for values in read_object(folder.children_file).values()]  # type: ignore[arg-type]
    except (StackError, TypeError):
        children = []  # Half written at the very end: the death signal has been sent all the same.
    left = [process for child in children if (process := child.process())]
    _, alive = psutil.wait_procs(left, timeout=patience)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=patience)
    forget(folder)
