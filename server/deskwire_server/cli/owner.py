"""Finds the database's owner, as whom tenants are made and schemas migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deskwire_server.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from deskwire_server.settings import Settings


def owner_url(settings: Settings) -> str:
    """The owner's URL: as set, else of the stack that runs on this machine, else DATABASE_URL.

    Raises CommandError when there is none.
    """
    if settings.database_owner_url is not None:
        return settings.database_owner_url.get_secret_value()
    from deskwire_server.stack import state

    running = state.load(settings)
    if running is not None and running.database_owner_url:
        return running.database_owner_url
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    raise CommandError(
        "there is no database to work on: start it with `deskwire run`, or set DATABASE_OWNER_URL",
        code=Exit.UNREACHABLE,
    )
