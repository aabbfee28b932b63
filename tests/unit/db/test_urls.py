"""Every spelling of a Postgres address reaches both drivers."""

from __future__ import annotations

import pytest

from deskwire_server.db import urls


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
def test_schemes(scheme: str) -> None:
    given = f"{scheme}://ana:p%40ss@db.example:5433/portal"
    assert (
        urls.parse(given).render_as_string(hide_password=False)
        == "postgresql+asyncpg://ana:p%40ss@db.example:5433/portal"
    )
    assert urls.for_asyncpg(given) == "postgresql://ana:p%40ss@db.example:5433/portal"


@pytest.mark.parametrize("spelling", ["ssl", "sslmode"])
def test_tls(spelling: str) -> None:
    given = f"postgresql://ana@db.example/portal?{spelling}=verify-full"
    assert urls.parse(given).query == {"ssl": "verify-full"}
    assert urls.for_asyncpg(given) == "postgresql://ana@db.example/portal?sslmode=verify-full"


def test_other_credentials() -> None:
    assert urls.with_credentials("postgres://a:b@h/db?sslmode=require", "x", "y/z") == (
        "postgresql://x:y%2Fz@h/db?sslmode=require"
    )
