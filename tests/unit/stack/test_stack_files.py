"""The private files of the data folder."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deskwire_server.stack import files
from deskwire_server.stack.errors import StackError
from deskwire_server.stack.files import DataFolder


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    made.create()
    return made


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_closed_to_others(folder: DataFolder) -> None:
    assert [_mode(path) for path in (folder.root, folder.run, folder.logs)] == [0o700] * 3


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    DataFolder(tmp_path / "open").create()
    assert _mode(tmp_path / "open") == 0o700


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StackError, match="cannot create the data folder"):
        DataFolder(tmp_path / "data").create()


def test_secrets_are_private_random_and_kept(folder: DataFolder) -> None:
    first = files.load_secrets(folder, ("one", "two"))
    assert _mode(folder.secrets_file) == 0o600
    assert first["one"] != first["two"]
    assert len(first["one"]) >= 24
    second = files.load_secrets(folder, ("two", "three"))
    assert (second["one"], second["two"]) == (first["one"], first["two"])
    assert set(second) == {"one", "two", "three"}


def test_parts_that_start_side_by_side_lose_no_secret(folder: DataFolder) -> None:
    names = [f"part_{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda name: files.load_secrets(folder, (name,))[name], names))
        list(threads.map(lambda name: files.remember_port(folder, name, 1), names))
    kept = files.load_secrets(folder, ())
    assert [kept[name] for name in names] == made
    assert set(json.loads(folder.ports_file.read_text())) == set(names)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_a_broken_file_is_named(folder: DataFolder, text: str) -> None:
    folder.secrets_file.write_text(text)
    with pytest.raises(StackError, match=r"secrets\.json"):
        files.load_secrets(folder, ("one",))


def test_a_failed_write_leaves_the_old_file(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_private(folder.state_file, "old")

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(files.Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        files.write_private(folder.state_file, "new")
    assert folder.state_file.read_text() == "old"
    assert [path.name for path in folder.run.iterdir()] == ["state.json"]


def test_the_second_holder_learns_of_the_first(folder: DataFolder) -> None:
    refused = pytest.raises(StackError, match=r"already running on .* \(process \d+\)")
    with folder.locked(), refused, folder.locked():
        pytest.fail("two stacks hold one folder")
    with folder.locked():
        assert int(folder.lock_file.read_text()) > 0


def test_ports_are_remembered(folder: DataFolder) -> None:
    assert files.remembered_port(folder, "postgres") is None
    files.remember_port(folder, "postgres", 20_001)
    files.remember_port(folder, "valkey", 20_002)
    assert files.remembered_port(folder, "postgres") == 20_001
    assert json.loads(folder.ports_file.read_text()) == {"postgres": 20_001, "valkey": 20_002}


def test_sockets_of_a_deep_folder_are_short_and_private(tmp_path: Path) -> None:
    deep = DataFolder(tmp_path / ("a" * 60) / ("b" * 60))
    deep.create()
    path = deep.socket_path("embedder.sock")
    assert len(str(path)) <= 107
    assert _mode(path.parent) == 0o700
    assert path == deep.socket_path("embedder.sock")
    deep.remove_short_sockets()
    assert not path.parent.exists()


def test_sockets_are_not_put_into_a_folder_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(files, "_SOCKET_PATH_LIMIT", 10)
    folder = DataFolder(tmp_path / "data")
    folder.create()
    folder.socket_path("x.sock").parent.chmod(0o777)
    with pytest.raises(StackError, match="not a private folder"):
        folder.socket_path("x.sock")
