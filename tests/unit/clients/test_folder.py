"""Which files of a folder an import takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskwire_client._import import find_documents


def test_links_that_lead_out_of_the_folder_are_left_out(tmp_path: Path) -> None:
    """Whoever wrote the documents does not choose which files of this machine the tenant reads."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (tmp_path / "private.md").write_text("private")
    (folder / "one.md").write_text("one")
    (folder / "same.md").symlink_to("one.md")
    (folder / "out.md").symlink_to(tmp_path / "private.md")
    (folder / "nowhere.md").symlink_to("missing.md")
    (folder / "round").symlink_to(folder)

    assert [path for path, _ in find_documents(folder)] == ["one.md", "same.md"]


def test_hidden_files_and_other_kinds_are_left_out(tmp_path: Path) -> None:
    for name in ("a.md", "b.HTML", ".hidden.md", "data.json", "noending", ".git/config.md", "sub/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")

    assert [path for path, _ in find_documents(tmp_path)] == ["a.md", "b.HTML", "sub/c.txt"]


def test_a_file_stands_for_itself_and_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")

    assert find_documents(tmp_path / "a.md") == [("a.md", tmp_path / "a.md")]
    with pytest.raises(FileNotFoundError):
        find_documents(tmp_path / "missing")
