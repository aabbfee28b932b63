"""Commands that need no server, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deskwire_server.cli.app import run
from deskwire_server.cli.exits import Exit
from deskwire_server.settings import DEMO_JWT_SECRET, Settings

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Without `.env` and without settings from outside."""
    monkeypatch.chdir(tmp_path)
    for info in Settings.model_fields.values():
        for name in getattr(info.validation_alias, "choices", ()):
            monkeypatch.delenv(str(name), raising=False)
    for name in ("DESKWIRE_SERVER", "DESKWIRE_TOKEN", "DESKWIRE_TENANT", "DESKWIRE_USER", "DESKWIRE_TLS_CA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "--role", "king"),
        ("token", "--tenant", "No Such"),
        ("token", "--ttl", "0"),
        ("token", "--ttl", "99999999"),
        ("token", "--user", ""),
        ("nonsense",),
        ("ask",),
        ("ask", "x", "--conversation", "c", "--session", "s"),
        ("ask", "x", "--server", "ftp://x"),
        ("search", "x", "--limit", "0"),
        ("knowledge", "import", "no-such-folder"),
        ("envoy-config", "--worker", "nowhere"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], capsys: Capture) -> None:
    """Is told on stderr."""
    assert run(arguments) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err


def test_wrong_settings_are_named(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence for each, without values, which may be secret."""
    monkeypatch.setenv("AI_SERVICE_PORT", "hunter2")
    monkeypatch.setenv("AI_TEMPERATURE", "9")
    assert run(["token"]) == Exit.USAGE
    captured = capsys.readouterr()
    names = [line.split(":")[1].strip() for line in captured.err.splitlines()]
    assert names == ["setting AI_SERVICE_PORT", "setting AI_TEMPERATURE"]
    assert "hunter2" not in captured.err
    assert run(["settings", "--json"]) == 0, "listing the settings needs no valid ones"


def test_the_demo_secret_beyond_loopback(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused for every command that reads the settings."""
    monkeypatch.setenv("API_HOST", "0.0.0.0")
    assert run(["token"]) == Exit.USAGE
    assert "JWT_SECRET" in capsys.readouterr().err


def test_settings(capsys: Capture) -> None:
    """With every name that is read."""
    assert run(["settings", "--json"]) == 0
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["AI_SERVICE_PORT"]["aliases"] == ["API_PORT"]
    assert rows["AI_SERVICE_PORT"]["default"] == "8001"
    assert run(["settings", "--markdown"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("# Settings\n")
    assert "| `JWT_SECRET`<br>also `SECRET_KEY` | `a demo secret, for loopback only` |" in page
    assert DEMO_JWT_SECRET not in page
    assert run(["settings"]) == 0
    assert "JWT_SECRET" in capsys.readouterr().out


def test_envoy_config(capsys: Capture) -> None:
    """For workers that have names or addresses."""
    assert run(["envoy-config", "--worker", "workers.deskwire:9000:9001", "-o", "envoy.yaml"]) == 0
    assert "STRICT_DNS" in Path("envoy.yaml").read_text()
    assert run(["envoy-config", "--worker", "10.0.0.1:9000:9001", "--worker", "10.0.0.2:9000:9001"]) == 0
    text = capsys.readouterr().out
    assert "STATIC" in text
    assert "10.0.0.2" in text


@pytest.mark.parametrize("arguments", [("tenant", "list"), ("migrate",)])
def test_no_database(arguments: tuple[str, ...], capsys: Capture) -> None:
    """Is told in one sentence."""
    assert run(arguments) == Exit.UNREACHABLE
    assert capsys.readouterr().err.count("\n") == 1


def test_help_names_the_exit_codes(capsys: Capture) -> None:
    """Of the whole and of each command."""
    for arguments in (["--help"], ["ask", "--help"], ["tenant", "--help"], ["knowledge", "import", "--help"]):
        assert run(arguments) == 0
        assert "130 interrupted" in " ".join(capsys.readouterr().out.split())
