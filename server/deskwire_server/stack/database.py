"""A Postgres of somebody else: what the given role may do there, and the roles that Deskwire makes with it."""

from __future__ import annotations

import asyncio

import asyncpg
from pydantic import SecretStr

from deskwire_server.db import urls
from deskwire_server.settings import Settings
from deskwire_server.stack.errors import StackError
from deskwire_server.stack.files import DataFolder, load_secrets
from deskwire_server.stack.postgres import APP, SYSTEM, ensure_login_role
from deskwire_server.stack.state import DatabaseUrls

SECRETS = {APP: "external_deskwire_app", SYSTEM: "external_deskwire_system"}
_PATIENCE = 10.0


async def external(settings: Settings, folder: DataFolder) -> DatabaseUrls:
    """The roles at `DATABASE_URL`: made with it where it may make roles, else taken as the settings name them.

    Raises StackError when the database cannot be reached or lacks pgvector.
    """
    if settings.database_url is None:
        raise ValueError("DATABASE_URL is not set")
    given = urls.for_asyncpg(settings.database_url.get_secret_value())
    owner = _plain(settings.database_owner_url)
    system = _plain(settings.database_system_url)
    connection = await connect(given)
    try:
        rights = await connection.fetchrow(
            "SELECT rolsuper, rolsuper OR rolcreaterole AS may_create FROM pg_roles WHERE rolname = current_user"
        )
        if not rights["may_create"]:
            if system is None:
                raise StackError(
                    "the role of DATABASE_URL may not create roles, so DATABASE_SYSTEM_URL must name the system role "
                    "(and DATABASE_OWNER_URL the owner, who migrates): docs/operations.md tells which roles to make"
                )
            return DatabaseUrls(app=given, system=system, owner=owner)
        await _ensure_vector(connection, given)
        secrets = load_secrets(folder, tuple(SECRETS.values()))
        async with connection.transaction():
            for role, secret in SECRETS.items():
                await ensure_login_role(connection, role, secrets[secret])
    finally:
        await connection.close()
    return DatabaseUrls(
        app=urls.with_credentials(given, APP, secrets[SECRETS[APP]]),
        system=urls.with_credentials(given, SYSTEM, secrets[SECRETS[SYSTEM]]),
        owner=owner or given,
    )


def _plain(url: SecretStr | None) -> str | None:
    return None if url is None else urls.for_asyncpg(url.get_secret_value())


async def _ensure_vector(connection: asyncpg.Connection[asyncpg.Record], url: str) -> None:
    try:
        await connection.execute("SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS vector")
    except asyncpg.InsufficientPrivilegeError:
        raise StackError(
            f"the database at {place(url)} lacks the extension `vector` and its role may not add it: "
            "let a superuser run CREATE EXTENSION vector there"
        ) from None
    except (asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError):
        raise StackError(f"the Postgres at {place(url)} has no pgvector: install pgvector 0.8 there") from None


async def connect(url: str) -> asyncpg.Connection[asyncpg.Record]:
    """Connect, waiting a little for a server that is only starting. Raises StackError with a sentence."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        try:
            return await asyncpg.connect(url, timeout=5)
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
            raise StackError(f"the Postgres at {place(url)} refuses the role or password of its URL") from None
        except asyncpg.InvalidCatalogNameError:
            raise StackError(f"the Postgres at {place(url)} has no such database: create it first") from None
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise StackError(f"the Postgres at {place(url)} cannot be reached: {error or 'no answer'}") from None
            await asyncio.sleep(0.25)


def place(url: str) -> str:
    """Host, port and database of a URL, fit to be shown: no role, no password."""
    parsed = urls.parse(url)
    return f"{parsed.host or 'localhost'}:{parsed.port or 5432}/{parsed.database or ''}"
