"""The commands `tenant …`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deskwire_server.cli.connect import JsonOption
from deskwire_server.cli.exits import EPILOG

if TYPE_CHECKING:
    from deskwire_server.tenants.admin import TenantRow

app = typer.Typer(
    help="Create, suspend, resume, set up and list tenants.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)

T = TypeVar("T")

NameArgument = Annotated[str, typer.Argument(help="a-z, 0-9, '-' and '_', 63 characters at most.")]


@app.command(epilog=EPILOG)
def create(name: NameArgument, as_json: JsonOption = False) -> None:
    """Create a tenant."""
    from deskwire_server.tenants import admin

    _tell(_with_owner(lambda url: admin.create(url, name)), "Created", as_json)


@app.command(epilog=EPILOG)
def suspend(name: NameArgument, as_json: JsonOption = False) -> None:
    """Refuse every call of a tenant, until it is resumed. Nothing is lost."""
    from deskwire_server.tenants import admin

    _tell(_with_owner(lambda url: admin.suspend(url, name)), "Suspended", as_json)


@app.command(epilog=EPILOG)
def resume(name: NameArgument, as_json: JsonOption = False) -> None:
    """Let a suspended tenant go on."""
    from deskwire_server.tenants import admin

    _tell(_with_owner(lambda url: admin.resume(url, name)), "Resumed", as_json)


@app.command("set", epilog=EPILOG)
def set_settings(
    name: NameArgument,
    assignments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", show_default=False, help="An empty value takes a setting back."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change settings of a tenant, and print those that it has. Workers heed them within ten seconds.

    when_abandoned=cancel|finish: what becomes of an answer that nobody watches. abandon_grace_seconds=5…86400: when.
    products, integrations: names that are found in messages, such as "Google Ads|adwords,Slack".
    """
    from deskwire_server.tenants import admin, settings

    values = settings.parse(assignments or [])
    kept = _with_owner(lambda url: admin.change_settings(url, name, values))
    if as_json:
        print(json.dumps(kept))
        return
    lines = [f"{key}={_shown(value)}" for key, value in sorted(kept.items())]
    print("\n".join(lines) or f"Tenant {name} has no settings of its own.")


def _shown(value: object) -> str:
    """A setting as it is given on the command line."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


@app.command("list", epilog=EPILOG)
def list_tenants(as_json: JsonOption = False) -> None:
    """List every tenant."""
    from deskwire_server.tenants import admin

    rows = _with_owner(admin.list_all)
    if as_json:
        for row in rows:
            print(json.dumps(_as_json(row)))
        return
    from rich.markup import escape
    from rich.table import Table

    from deskwire_server.cli.screen import screen

    table = Table("Tenant", "State", "Created", box=None, header_style="bold")
    for row in rows:
        style = "green" if row.status == "active" else "yellow"
        table.add_row(escape(row.slug), f"[{style}]{row.status}[/]", f"{row.created_at:%Y-%m-%d %H:%M}")
    screen().print(table)


def _with_owner(work: Callable[[str], Awaitable[T]]) -> T:
    from deskwire_server.cli.owner import owner_url
    from deskwire_server.settings import Settings

    url = owner_url(Settings())

    async def run() -> T:
        return await work(url)

    return asyncio.run(run())


def _tell(row: TenantRow, done: str, as_json: bool) -> None:
    print(json.dumps(_as_json(row)) if as_json else f"{done} tenant {row.slug}.")


def _as_json(row: TenantRow) -> dict[str, str]:
    return {
        "id": str(row.id), "name": row.slug, "status": row.status, "createTime": row.created_at.isoformat(),
    }  # fmt: skip
