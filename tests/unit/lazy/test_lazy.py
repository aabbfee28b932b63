"""Modules that are loaded late or not at all: what is kept away is missing, and can still be had by its own name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire_server import lazy

PACKAGE = "library_with_parts"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package that hands on names of its modules `needed` and `unused`."""
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text("from .needed import Needed\nfrom .unused import Unused\n")
    (folder / "needed.py").write_text("class Needed: ...\n")
    (folder / "unused.py").write_text("class Unused: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield PACKAGE
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def test_a_hollow_module_is_not_loaded_and_its_names_are_missing(library: str) -> None:
    with lazy.hollow(library, "unused"):
        made = importlib.import_module(library)
    assert hasattr(made, "Needed")
    assert not hasattr(made, "Unused")
    assert f"{library}.unused" not in sys.modules


def test_a_hollow_module_can_be_imported_afterwards(library: str) -> None:
    with lazy.hollow(library, "unused"):
        importlib.import_module(library)
    assert hasattr(importlib.import_module(f"{library}.unused"), "Unused")


def test_a_package_that_is_loaded_stays_whole(library: str) -> None:
    made = importlib.import_module(library)
    with lazy.hollow(library, "unused"):
        importlib.import_module(library)
    assert hasattr(made, "Unused")
    assert f"{library}.unused" in sys.modules


def test_a_package_that_fails_to_load_leaves_nothing_behind(library: str, tmp_path: Path) -> None:
    (tmp_path / PACKAGE / "needed.py").write_text("raise ImportError('broken')\n")
    with pytest.raises(ImportError, match="broken"), lazy.hollow(library, "unused"):
        importlib.import_module(library)
    assert f"{library}.unused" not in sys.modules
