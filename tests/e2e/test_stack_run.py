"""`deskwire run` from outside: start, stop, accidents. Its workers are fakes, everything else is real."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from deskwire_server.settings import Settings
from deskwire_server.stack import state
from deskwire_server.stack.state import RunState
from tests.support.free_ports import PORTS
from tests.support.postgres import start_test_postgres

START_LIMIT = 60.0
STOP_LIMIT = 5.0


class Launcher:
    """One `run` in a process of its own, on free ports."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.http_port, self.grpc_port = PORTS.choose(), PORTS.choose()
        self._environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "DESKWIRE_DATA_DIR": str(data_dir),
            "AI_SERVICE_PORT": str(self.http_port),
            "DESKWIRE_GRPC_PORT": str(self.grpc_port),
            "DESKWIRE_EMBEDDER": "none",
            "DESKWIRE_WORKERS": "2",
        } | environment  # fmt: skip
        self.process: subprocess.Popen[str] | None = None

    def run(self) -> subprocess.Popen[str]:
        """Start it; does not wait."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.fake_stack", "--json", "--no-demo"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self._environment,
        )  # fmt: skip

    def start(self) -> dict[str, Any]:
        """Start it and return its line of addresses."""
        self.process = self.run()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(self.process.communicate(timeout=START_LIMIT)[1])
        return dict(json.loads(line))

    def refused(self) -> str:
        """Start it, expect it to give up, and return what it says."""
        output, errors = self.run().communicate(timeout=START_LIMIT)
        assert output == ""
        assert "Traceback" not in errors
        return errors.strip()

    def state(self) -> RunState:
        """What it tells other commands."""
        found = state.load(Settings(_env_file=None, data_dir=self.data_dir))  # type: ignore[call-arg]
        assert found is not None
        return found

    def family(self) -> list[psutil.Process]:
        """Everything that it started."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, program: str) -> psutil.Process:
        """A child by the name of its program."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if program in child.name())

    def healthy(self) -> bool:
        """Whether a call through Envoy is answered."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/api/v1/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def end(self) -> None:
        """End it whatever its state."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.communicate(timeout=START_LIMIT)


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    made = Launcher(tmp_path / "data")
    yield made
    made.end()


def _lives(process: psutil.Process) -> bool:
    """Whether it still runs; one that only waits for its new parent to notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(condition: Callable[[], bool], limit: float = 30) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


async def _value(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for statement in statements:
            value = await connection.fetchval(statement)
    finally:
        await connection.close()
    return value


def test_it_serves_refuses_a_second_start_and_stops_in_time(launcher: Launcher) -> None:
    line = launcher.start()
    assert line["httpUrl"] == f"http://127.0.0.1:{launcher.http_port}"
    assert line["grpcAddress"] == f"127.0.0.1:{launcher.grpc_port}"
    assert launcher.healthy()
    running = launcher.state()
    assert len(running.workers) == 2
    for file in ("run/state.json", "secrets.json", "run/envoy.yaml", "run/valkey.conf"):
        assert stat.S_IMODE((launcher.data_dir / file).stat().st_mode) == 0o600

    second = Launcher(launcher.data_dir)
    assert "is already running on" in second.refused()

    family = launcher.family()
    assert len(family) >= 5
    assert launcher.process is not None
    began = time.monotonic()
    launcher.process.send_signal(signal.SIGINT)
    assert launcher.process.wait(timeout=STOP_LIMIT) == 0
    assert time.monotonic() - began < STOP_LIMIT
    assert psutil.wait_procs(family, timeout=1)[1] == []
    assert not (launcher.data_dir / "run" / "state.json").exists()

    began = time.monotonic()
    launcher.end()
    launcher.start()
    assert time.monotonic() - began < 5


def test_nothing_is_left_after_a_killed_launcher_and_nothing_is_lost(launcher: Launcher) -> None:
    launcher.start()
    owner = launcher.state().database_owner_url
    assert owner is not None
    asyncio.run(_value(owner, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)"))
    family = launcher.family()
    assert launcher.process is not None
    launcher.process.kill()
    launcher.end()
    # At once, while the children of the killed one are still ending.
    launcher.start()
    assert [process for process in family if _lives(process)] == []
    assert launcher.healthy()
    owner = launcher.state().database_owner_url
    assert owner is not None
    assert asyncio.run(_value(owner, "SELECT id FROM kept")) == 7


def test_parts_that_die_are_started_again(launcher: Launcher) -> None:
    launcher.start()
    for program in ("postgres", "valkey-server", "envoy", "python"):
        dead = launcher.part(program)
        dead.kill()
        _until(lambda dead=dead: not _lives(dead))  # type: ignore[misc]

    def restored() -> bool:
        # Two workers, Postgres, Valkey and Envoy, each as its own program again.
        assert launcher.process is not None
        names = [child.name() for child in psutil.Process(launcher.process.pid).children()]
        return sum(name in ("postgres", "valkey-server", "envoy") for name in names) == 3 and len(names) == 5

    _until(restored)
    _until(launcher.healthy)
    url = launcher.state().database_url
    _until(lambda: asyncio.run(_answers(url)))


async def _answers(url: str) -> bool:
    try:
        return await _value(url, "SELECT 1") == 1
    except (OSError, asyncpg.PostgresError):
        return False


@pytest.mark.parametrize("setting", ["AI_SERVICE_PORT", "DESKWIRE_GRPC_PORT"])
def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path, setting: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        said = Launcher(tmp_path / "data", **{setting: str(port)}).refused()
    assert said == (
        f"Deskwire cannot run: port {port} on 127.0.0.1 is taken by another program: "
        f"end that program, or set {setting} to a free port"
    )
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_wrong_setting_is_named_without_a_traceback(tmp_path: Path) -> None:
    said = Launcher(tmp_path / "data", AI_SERVICE_HOST="0.0.0.0").refused()
    assert "refusing to listen on 0.0.0.0 with the demo secret" in said


def test_a_deep_data_folder_works(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path / ("deep" * 20) / ("deeper" * 10))
    try:
        launcher.start()
        assert launcher.healthy()
        sockets = Path(launcher.state().admin_socket).parent
        assert launcher.process is not None
        launcher.process.send_signal(signal.SIGTERM)
        assert launcher.process.wait(timeout=STOP_LIMIT) == 0
        assert not sockets.exists()
    finally:
        launcher.end()


def test_a_postgres_of_somebody_else_gets_the_lesser_roles(tmp_path: Path) -> None:
    postgres = start_test_postgres(tmp_path / "other")
    url = postgres.superuser_url.replace("postgresql://", "postgres://")
    launcher = Launcher(tmp_path / "data", DATABASE_URL=url)
    try:
        launcher.start()
        running = launcher.state()
        query = "SELECT current_user || ' ' || rolsuper::text FROM pg_roles WHERE rolname = current_user"
        assert asyncio.run(_value(running.database_url, query)) == "deskwire_app false"
        assert running.database_system_url is not None
        assert asyncio.run(_value(running.database_system_url, query)) == "deskwire_system false"
        assert not (launcher.data_dir / "postgres").exists()
    finally:
        launcher.end()
        postgres.stop()


def test_an_unreachable_postgres_is_named_without_its_password(tmp_path: Path) -> None:
    port = PORTS.choose()
    said = Launcher(tmp_path / "data", DATABASE_URL=f"postgresql://me:hidden@127.0.0.1:{port}/desk").refused()
    assert f"the Postgres at 127.0.0.1:{port}/desk cannot be reached" in said
    assert "hidden" not in said
