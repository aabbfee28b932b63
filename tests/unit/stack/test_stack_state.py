"""What a running stack tells other commands."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deskwire_server.settings import Settings
from deskwire_server.stack import state
from deskwire_server.stack.errors import StackError
from deskwire_server.stack.files import DataFolder
from deskwire_server.stack.state import ProcessId, RunState


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path)
    made.create()
    return made


def _state(launcher: ProcessId) -> RunState:
    return RunState(
        launcher=launcher,
        http_url="http://127.0.0.1:8001",
        grpc_address="127.0.0.1:50051",
        database_url="postgresql://app@127.0.0.1/deskwire",
        database_system_url=None,
        database_owner_url=None,
        database_superuser_url=None,
        redis_url="redis://127.0.0.1",
        embedder_socket=None,
        admin_socket="/run/admin.sock",
        workers=[[1, 2]],
    )


def _settings(folder: DataFolder) -> Settings:
    return Settings(_env_file=None, data_dir=folder.root)  # type: ignore[call-arg]


def test_a_running_stack_is_found(folder: DataFolder) -> None:
    running = _state(ProcessId.of(os.getpid()))
    running.save(folder)
    assert stat.S_IMODE(folder.state_file.stat().st_mode) == 0o600
    assert state.load(_settings(folder)) == running


def test_nothing_is_found_without_a_file(folder: DataFolder) -> None:
    assert state.load(_settings(folder)) is None


def test_a_dead_launcher_counts_as_nothing(folder: DataFolder) -> None:
    # The id lives, but its process began at another time: the number was given away again.
    _state(ProcessId(os.getpid(), began=1.0)).save(folder)
    assert state.load(_settings(folder)) is None


@pytest.mark.parametrize("text", ["{", '{"launcher": 3}', '{"launcher": {"pid": 1, "began": 0}, "surplus": 1}'])
def test_a_broken_file_is_named(folder: DataFolder, text: str) -> None:
    folder.state_file.write_text(text)
    with pytest.raises(StackError, match=r"state\.json"):
        state.load(_settings(folder))


def test_leftovers_are_ended_and_forgotten(folder: DataFolder) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        worker = ProcessId.of(child.pid)
        state.save_children(folder, {"worker": worker})
        state.end_leftovers(folder, patience=0.1)
        assert worker.process() is None
        assert not folder.children_file.exists()
    finally:
        child.kill()
        child.communicate()


def test_a_stranger_with_a_leftovers_id_is_left_alone(folder: DataFolder) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        state.save_children(folder, {"worker": ProcessId(child.pid, began=1.0)})
        state.end_leftovers(folder, patience=0.1)
        assert child.poll() is None
    finally:
        child.kill()
        child.communicate()
