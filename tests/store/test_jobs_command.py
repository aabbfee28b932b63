"""The commands `deskwire jobs …` on a real queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from deskwire_server.cli.app import run
from deskwire_server.cli.exits import Exit
from deskwire_server.tenants import admin as tenants
from tests.support.postgres import TestPostgres
from tests.support.server import new_tenant

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def kind(postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A kind of work with one dead and one waiting job."""
    monkeypatch.setenv("DATABASE_SYSTEM_URL", postgres.system_url)
    name = f"test-{uuid4().hex[:8]}"
    asyncio.run(_fill(postgres, name))
    yield name
    asyncio.run(_clear(postgres, name))


async def _fill(postgres: TestPostgres, name: str) -> None:
    tenant = (await tenants.create(postgres.owner_url, new_tenant())).id
    app, system = await asyncpg.connect(postgres.app_url), await asyncpg.connect(postgres.system_url)
    for _ in range(2):
        await _ask(app, tenant, name)
    dead = await system.fetchval("SELECT min(id) FROM jobs.pgqueuer WHERE entrypoint = $1", name)
    await system.execute("UPDATE jobs.pgqueuer SET status = 'failed', attempts = 7 WHERE id = $1", dead)
    await system.execute(
        "INSERT INTO jobs.pgqueuer_log (job_id, status, priority, entrypoint, traceback) "
        "VALUES ($1, 'failed', 0, $2, '{\"exception_message\": \"PROVIDER_UNAVAILABLE\"}')", dead, name,
    )  # fmt: skip
    await app.close()
    await system.close()


async def _ask(app: Any, tenant: UUID, name: str) -> None:
    async with app.transaction():
        await app.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(tenant))
        await app.execute("SELECT job_enqueue($1, $2, $3, $3, 0)", name, tenant, uuid4())


async def _clear(postgres: TestPostgres, name: str) -> None:
    system = await asyncpg.connect(postgres.system_url)
    await system.execute("DELETE FROM jobs.pgqueuer WHERE entrypoint = $1", name)
    await system.close()


def listed(capsys: Capture, kind: str) -> tuple[dict[str, int], list[dict[str, Any]]]:
    capsys.readouterr()
    assert run(["jobs", "list", "--json"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    states = {each["state"]: each["count"] for each in told["states"] if each["kind"] == kind}
    return states, [each for each in told["dead"] if each["kind"] == kind]


def test_what_waits_and_what_was_given_up(kind: str, capsys: Capture) -> None:
    states, (letter,) = listed(capsys, kind)
    assert states == {"waiting": 1, "dead": 1}
    assert (letter["reason"], letter["tries"]) == ("PROVIDER_UNAVAILABLE", 8)
    assert run(["jobs", "list"]) == Exit.OK
    assert "PROVIDER_UNAVAILABLE" in capsys.readouterr().out

    assert run(["jobs", "retry", str(letter["id"])]) == Exit.OK
    assert listed(capsys, kind) == ({"waiting": 2}, [])
    assert run(["jobs", "retry", str(letter["id"])]) == Exit.NOT_FOUND


def test_a_dead_job_is_dropped(kind: str, capsys: Capture) -> None:
    _, (letter,) = listed(capsys, kind)
    assert run(["jobs", "drop", str(letter["id"])]) == Exit.OK
    assert listed(capsys, kind) == ({"waiting": 1}, [])
    assert run(["jobs", "drop", str(letter["id"])]) == Exit.NOT_FOUND


def test_without_a_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: Capture) -> None:
    monkeypatch.delenv("DATABASE_SYSTEM_URL", raising=False)
    monkeypatch.setenv("DESKWIRE_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run(["jobs", "list"]) == Exit.UNREACHABLE
    assert "DATABASE_SYSTEM_URL" in capsys.readouterr().err
