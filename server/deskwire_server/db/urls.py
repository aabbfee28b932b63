"""Spellings of a Postgres address."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url


def parse(url: str) -> URL:
    """Read `postgres://`, `postgresql://` or `postgresql+driver://`, for SQLAlchemy over asyncpg."""
    return _renamed(_plain(url), "sslmode", "ssl").set(drivername="postgresql+asyncpg")


def for_asyncpg(url: str) -> str:
    """The address as asyncpg itself reads it."""
    return _renamed(_plain(url), "ssl", "sslmode").render_as_string(hide_password=False)


def with_credentials(url: str, user: str, password: str) -> str:
    """The same database for another role."""
    return _plain(url).set(username=user, password=password).render_as_string(hide_password=False)


def _plain(url: str) -> URL:
    if url.startswith("postgres://"):
        url = "postgresql://" + url.removeprefix("postgres://")
    return make_url(url).set(drivername="postgresql")


def _renamed(url: URL, old: str, new: str) -> URL:
    """The two drivers spell the parameter for TLS differently; either spelling is fine here."""
    if old not in url.query:
        return url
    return url.difference_update_query([old]).update_query_dict({new: url.query[old]})
