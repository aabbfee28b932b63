"""Settings of a tenant from the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

from tests.store.conftest import Roles
from tests.support.postgres import TestPostgres


async def test_they_are_set_shown_and_taken_back(
    postgres: TestPostgres, roles: Roles, tenant_id: UUID, tmp_path: Path
) -> None:
    slug = await roles.superuser.fetchval("SELECT slug FROM tenants WHERE id = $1", tenant_id)

    def run(*assignments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "deskwire_server", "tenant", "set", slug, *assignments],
            capture_output=True, text=True, check=False, cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "DATABASE_OWNER_URL": postgres.owner_url},
        )  # fmt: skip
        return done.returncode, done.stdout.strip() or done.stderr.strip()

    assert run("when_abandoned=finish", "abandon_grace_seconds=90") == (
        0,
        "abandon_grace_seconds=90\nwhen_abandoned=finish",
    )
    code, told = run("when_abandoned=sometimes")
    assert code != 0
    assert "cancel, finish" in told
    assert run("when_abandoned=") == (0, "abandon_grace_seconds=90")
    assert run() == (0, "abandon_grace_seconds=90")
    assert run("products=Pulse|pulse app, Fluxomatic") == (
        0,
        "abandon_grace_seconds=90\nproducts=Pulse|pulse app,Fluxomatic",
    )
