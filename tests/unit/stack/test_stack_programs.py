"""Environments of Deskwire's own programs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from deskwire_server.settings import Settings
from deskwire_server.stack import programs, supervisor
from deskwire_server.stack.state import ProcessId, RunState

_STATE = RunState(
    launcher=ProcessId(1, 0.0),
    http_url="http://127.0.0.1:8001",
    grpc_address="127.0.0.1:50051",
    database_url="postgresql://deskwire_app:a@127.0.0.1:1/deskwire",
    database_system_url="postgresql://deskwire_system:b@127.0.0.1:1/deskwire",
    database_owner_url="postgresql://deskwire_owner:c@127.0.0.1:1/deskwire",
    database_superuser_url=None,
    redis_url="redis://127.0.0.1:2",
    embedder_socket="/run/embedder.sock",
    admin_socket="/run/admin.sock",
    workers=[[3, 4]],
)


def _settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def test_a_worker_learns_its_addresses_and_not_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgresql://deskwire_owner:c@127.0.0.1:1/deskwire")
    environment = programs.worker(_settings(), _STATE, (3, 4)).environment
    assert environment["DATABASE_URL"] == _STATE.database_url
    assert environment["DATABASE_SYSTEM_URL"] == _STATE.database_system_url
    assert environment["REDIS_URL"] == _STATE.redis_url
    assert environment["DESKWIRE_EMBEDDER_SOCKET"] == _STATE.embedder_socket
    assert (environment["DESKWIRE_WORKER_GRPC_PORT"], environment["DESKWIRE_WORKER_HTTP_PORT"]) == ("3", "4")
    assert not any("deskwire_owner" in value for value in environment.values())


def test_a_worker_is_hurried_when_the_whole_stack_stops() -> None:
    command = programs.worker(_settings(drain_grace=60), _STATE, (3, 4))
    assert (command.stop_signal, command.death_signal) == (signal.SIGINT, signal.SIGINT)


def test_the_vector_database_follows_the_database() -> None:
    url = "postgresql://postgres@127.0.0.1/deskwire"
    environment = programs.worker(_settings(database_url=url, vector_db_url=url), _STATE, (3, 4)).environment
    assert environment["VECTOR_DB_URL"] == environment["DATABASE_URL"] == _STATE.database_url


def test_the_embedder_sees_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("OPENAI_API_KEY", "hidden")
    monkeypatch.setenv("DATABASE_URL", "hidden")
    assert "hidden" not in programs.embedder(tmp_path / "e.sock").environment.values()


@pytest.mark.parametrize(
    ("embedder", "key", "wanted"),
    [("auto", None, True), ("auto", "k", False), ("local", "k", True), ("openai", "k", False), ("none", None, False)],
)
def test_a_local_embedder_runs_where_it_is_wanted(embedder: str, key: str | None, wanted: bool) -> None:
    assert programs.wants_embedder(_settings(embedder=embedder, openai_api_key=key)) is wanted


@pytest.mark.parametrize(
    ("host", "reachable"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("localhost", "localhost"),
    ],
)
def test_callers_on_this_machine_reach_any_listener(host: str, reachable: str) -> None:
    assert programs.reachable_host(host) == reachable


@pytest.mark.parametrize(
    ("embedder", "key", "may"),
    [("auto", None, False), ("auto", "k", True), ("openai", "k", False), ("local", "k", False), ("none", None, False)],
)
def test_tenants_may_still_be_on_local_embeddings(embedder: str, key: str | None, may: bool) -> None:
    assert programs.may_want_embedder(_settings(embedder=embedder, openai_api_key=key)) is may


async def test_it_is_started_once_a_tenant_is_on_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers, started = [False, False, True], list[Path | None]()

    async def uses_local_vectors(url: str) -> bool:
        assert url == _STATE.database_system_url
        return answers.pop(0)

    async def start(path: Path | None) -> None:
        started.append(path)

    monkeypatch.setattr(programs, "uses_local_vectors", uses_local_vectors)
    monkeypatch.setattr(supervisor, "_EMBEDDER_CHECK_INTERVAL", 0.0)
    stack = supervisor.Stack(_settings(embedder="auto", openai_api_key="sk-x", data_dir=tmp_path), print)
    monkeypatch.setattr(stack, "_state", _STATE)
    monkeypatch.setattr(stack, "_start_embedder", start)
    await stack._start_embedder_when_used(tmp_path / "embedder.sock")
    assert started == [tmp_path / "embedder.sock"]
    assert answers == []
