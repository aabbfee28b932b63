"""The commands `serve` and `migrate`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from deskwire_server.cli.exits import CommandError, Exit


def serve_command(
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, show_default=False, help="Worker processes; DESKWIRE_WORKERS by default."),
    ] = None,
) -> None:
    """Run the server alone.

    It needs Postgres by DATABASE_URL and DATABASE_SYSTEM_URL. Put Envoy before it for browsers and JSON: see
    `envoy-config`. SIGTERM ends it in good order: running calls get DESKWIRE_DRAIN_GRACE seconds.
    """
    from deskwire_server.settings import Settings

    settings = Settings()
    wanted = workers or settings.workers
    if wanted == 1:
        from deskwire_server import worker

        raise typer.Exit(worker.main(settings))
    if settings.worker_grpc_port or settings.worker_http_port:
        raise CommandError(
            "several workers can't share one port: set DESKWIRE_WORKER_GRPC_PORT and DESKWIRE_WORKER_HTTP_PORT to 0, "
            "or run one worker in each container",
            code=Exit.USAGE,
        )
    from deskwire_server.cli.workers import run_workers

    raise typer.Exit(asyncio.run(run_workers(wanted)))


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
