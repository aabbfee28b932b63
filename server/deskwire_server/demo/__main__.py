"""`python -m deskwire_server.demo`: loads the demo tenant and says what it did. Exits 1 with a sentence if it can't."""

from __future__ import annotations

import asyncio
import sys

import asyncpg
from pydantic import ValidationError
from redis.asyncio import Redis
from sqlalchemy.exc import DBAPIError

from deskwire_server.db.engine import Database
from deskwire_server.demo.content import TENANT
from deskwire_server.demo.loader import DemoError, Loaded, load_demo
from deskwire_server.embeddings.factory import build_embedder
from deskwire_server.errors import DomainError
from deskwire_server.settings import Settings


async def _load(settings: Settings) -> Loaded:
    if settings.database_url is None:
        raise DemoError("DATABASE_URL is not set; `deskwire run` loads the demo by itself")
    database = Database(settings.database_url.get_secret_value(), pool_size=2)
    redis = Redis.from_url(settings.redis_url.get_secret_value()) if settings.redis_url is not None else None
    key = settings.openai_api_key
    embedder = build_embedder(
        settings.embedder,
        socket=settings.embedder_socket_path,
        redis=redis,
        cache_ttl=settings.embedding_cache_ttl,
        openai_api_key=key.get_secret_value() if key is not None else None,
        openai_model=settings.openai_embedding_model,
        openai_base_url=settings.openai_base_url,
        timeout=settings.provider_timeout,
        max_retries=settings.provider_max_retries,
    )
    try:
        return await load_demo(database, embedder)
    finally:
        if embedder is not None:
            await embedder.close()
        if redis is not None:
            await redis.aclose()
        await database.close()


def main() -> int:
    """Load, report, and return the exit code."""
    try:
        loaded = asyncio.run(_load(Settings()))
    except ValidationError as error:
        problems = "; ".join(str(each["msg"]) for each in error.errors(include_url=False, include_input=False))
        return _fail(f"settings are wrong: {problems}")
    except (DemoError, DomainError, ValueError) as error:
        return _fail(str(error))
    except (DBAPIError, asyncpg.PostgresError) as error:
        name = type(error.orig if isinstance(error, DBAPIError) else error).__name__
        return _fail(f"the database refused ({name}); is it migrated?")
    if loaded.changed:
        _say(f"Tenant {TENANT} is loaded: {loaded.articles} articles, {loaded.users} users.")
    else:
        _say(f"Tenant {TENANT} is up to date.")
    return 0


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")


def _fail(reason: str) -> int:
    sys.stderr.write(f"The tenant {TENANT} was not loaded: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
