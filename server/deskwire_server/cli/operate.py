"""The commands `serve` and `migrate`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from deskwire_server.cli.exits import CommandError, Exit

_MORE_THAN_ITS_OWN = 10.0
"""Seconds beyond the grace after which a worker is killed: by then it should long have ended itself."""


def serve_command(
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, show_default=False, help="Worker processes; DESKWIRE_WORKERS by default."),
    ] = None,
) -> None:
    """Run the server alone.

    It needs Postgres by DATABASE_URL and DATABASE_SYSTEM_URL. Put Envoy before it for browsers and JSON: see
    `envoy-config`. SIGTERM ends it in good order: running calls get DESKWIRE_DRAIN_GRACE seconds. Several workers take
    DESKWIRE_WORKER_GRPC_PORT and DESKWIRE_WORKER_HTTP_PORT and the ports after them; one that dies is started again.
    """
    from deskwire_server.settings import Settings

    settings = Settings()
    wanted = workers or settings.workers
    if wanted == 1:
        from deskwire_server import worker

        raise typer.Exit(worker.main(settings))
    from deskwire_server.cli.workers import run_workers

    ports = _ports(wanted, settings.worker_grpc_port, settings.worker_http_port)
    raise typer.Exit(asyncio.run(run_workers(ports, patience=settings.drain_grace + _MORE_THAN_ITS_OWN)))


def _ports(workers: int, grpc: int, http: int) -> list[tuple[int, int]]:
    """Ports of each worker: those that are set for the first, one more for each further; 0 leaves it to each start."""
    if grpc and http and abs(grpc - http) < workers:
        raise CommandError(
            f"{workers} workers take that many ports from DESKWIRE_WORKER_GRPC_PORT and from DESKWIRE_WORKER_HTTP_PORT "
            "on: these two lie too close together",
            code=Exit.USAGE,
        )
    return [(grpc and grpc + number, http and http + number) for number in range(workers)]


def migrate_command() -> None:
    """Bring the database's schema to the newest version.

    It works as the owner: DATABASE_OWNER_URL, else the stack that runs on this machine, else DATABASE_URL. Safe to call
    from several replicas at once.
    """
    from deskwire_server.cli.owner import owner_url
    from deskwire_server.db import migrate
    from deskwire_server.settings import Settings

    url = owner_url(Settings())

    async def upgrade() -> tuple[str | None, str | None]:
        before = await migrate.current(url)
        await migrate.upgrade(url)
        return before, await migrate.current(url)

    before, after = asyncio.run(upgrade())
    print(
        f"The schema is at {after} already." if before == after else f"Migrated from {before or 'nothing'} to {after}."
    )
