"""Spellings of a Postgres address."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url


def parse(url: str) -> URL:
    """Read `postgres://`, `postgresql://` or `postgresql+driver://`; the driver becomes asyncpg."""
    if url.startswith("postgres://"):
        url = "postgresql://" + url.removeprefix("postgres://")
    return make_url(url).set(drivername="postgresql+asyncpg")


def for_asyncpg(url: str) -> str:
    """The address as asyncpg itself reads it."""
    return parse(url).set(drivername="postgresql").render_as_string(hide_password=False)


def with_credentials(url: str, user: str, password: str) -> str:
    """The same database for another role."""
    return (
        parse(url).set(drivername="postgresql", username=user, password=password).render_as_string(hide_password=False)
    )
