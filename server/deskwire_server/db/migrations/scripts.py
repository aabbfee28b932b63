"""Statements that migrations share: scripts of several statements, row-level security, grants."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy.util import await_only

TENANT = "nullif(current_setting('deskwire.tenant_id', true), '')::uuid"


def run(script: str) -> None:
    """Run a script of several statements in the migration's transaction."""
    connection: Any = op.get_bind().connection.driver_connection
    await_only(connection.execute(script))


def protect(table: str, *, privileges: str = "SELECT, INSERT, UPDATE, DELETE") -> None:
    """Bind `table` to the transaction's tenant, its owner included, and open it to the application role."""
    run(f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant ON {table} USING (tenant_id = {TENANT}) WITH CHECK (tenant_id = {TENANT});
        GRANT {privileges} ON {table} TO deskwire_app;
    """)


def open_to_system(table: str, privileges: str) -> None:
    """Let the system role see a content-free table across tenants."""
    run(f"""
        CREATE POLICY system ON {table} TO deskwire_system USING (true) WITH CHECK (true);
        GRANT {privileges} ON {table} TO deskwire_system;
    """)
