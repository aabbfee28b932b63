"""The embedded PostgreSQL in closed folders, after accidents, and beside data that are not its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from deskwire_server.stack.errors import StackError
from deskwire_server.stack.files import DataFolder
from deskwire_server.stack.postgres import EmbeddedPostgres
from tests.support.postgres import TestPostgres, start_test_postgres


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder below one that is closed to others."""
    (tmp_path / "closed").mkdir(mode=0o700)
    return tmp_path / "closed" / "data"


@pytest.fixture
def postgres(closed: Path) -> Iterator[TestPostgres]:
    running = start_test_postgres(closed)
    yield running
    running.stop()


async def _execute(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for statement in statements:
            value = await connection.fetchval(statement)
    finally:
        await connection.close()
    return value


def test_closed_folders_stay_closed(postgres: TestPostgres, closed: Path) -> None:
    assert closed.parent.stat().st_mode & 0o077 == 0
    assert closed.stat().st_mode & 0o077 == 0
    assert asyncio.run(_execute(postgres.owner_url, "SELECT '[1,2]'::vector(2)::text")) == "[1,2]"


def test_roles_have_no_more_rights_than_they_need(postgres: TestPostgres) -> None:
    query = """SELECT bool_or(rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)
               FROM pg_roles WHERE rolname LIKE 'deskwire%'"""
    assert asyncio.run(_execute(postgres.app_url, query)) is False
    owner = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()"
    assert asyncio.run(_execute(postgres.system_url, owner)) == "deskwire_owner"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(_execute(postgres.app_url, "CREATE TABLE mine (id int)"))


def test_text_is_read_as_unicode(postgres: TestPostgres) -> None:
    query = "SELECT lower('ÄÉЖ') || ' ' || to_tsvector('simple', '“Straße” — naïve')::text"
    assert asyncio.run(_execute(postgres.app_url, query)) == "äéж 'naïve':2 'straße':1"


def test_committed_rows_survive_a_kill_and_a_pid_that_was_given_away(postgres: TestPostgres, closed: Path) -> None:
    asyncio.run(_execute(postgres.owner_url, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)"))
    backends = psutil.Process(postgres.process.pid).children()
    postgres.process.kill()
    postgres.process.wait()
    psutil.wait_procs(backends, timeout=10)
    # As after a restart of the machine or container: the old id now belongs to another living program.
    pid_file = closed / "postgres" / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(str(postgres.process.pid), str(os.getppid()), 1))
    again = start_test_postgres(closed)
    try:
        assert again.owner_url == postgres.owner_url
        assert asyncio.run(_execute(again.app_url, "SELECT 1")) == 1
        assert asyncio.run(_execute(again.owner_url, "SELECT id FROM kept")) == 7
    finally:
        again.stop()


_LAUNCHER = """
import sys
from pathlib import Path
from tests.support.postgres import start_test_postgres
print(start_test_postgres(Path(sys.argv[1])).process.pid, flush=True)
sys.stdin.read()
"""


def test_it_ends_in_good_order_when_its_launcher_is_killed(closed: Path) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", _LAUNCHER, str(closed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert launcher.stdout is not None
    server = psutil.Process(int(launcher.stdout.readline()))
    family = [server, *server.children()]
    launcher.kill()
    launcher.communicate()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert "database system is shut down" in (closed / "logs" / "postgres.log").read_text()


def test_a_server_that_outlived_its_launcher_is_ended_first(postgres: TestPostgres, closed: Path) -> None:
    again = EmbeddedPostgres(DataFolder(closed), durable=False)
    again.prepare()
    assert postgres.process.wait(timeout=5) in (0, -signal.SIGINT)


def test_data_of_another_version_are_refused(closed: Path) -> None:
    folder = DataFolder(closed)
    folder.create()
    folder.postgres.mkdir()
    (folder.postgres / "PG_VERSION").write_text("16\n")
    with pytest.raises(StackError, match="was made by PostgreSQL 16 and this is 18: carry the data over"):
        EmbeddedPostgres(folder).prepare()


def test_lost_passwords_are_named(closed: Path) -> None:
    folder = DataFolder(closed)
    folder.create()
    folder.postgres.mkdir()
    (folder.postgres / "PG_VERSION").write_text("18\n")
    with pytest.raises(StackError, match=r"secrets\.json lacks the passwords"):
        EmbeddedPostgres(folder).prepare()


def test_an_unfinished_first_start_is_begun_again(closed: Path) -> None:
    unfinished = closed / "postgres.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    running = start_test_postgres(closed)
    running.stop()
    assert not unfinished.exists()
