"""The command `settings`: every setting with its meaning, default and names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deskwire_server.cli.connect import JsonOption

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_SECTIONS = {
    "host": "Addresses and processes",
    "database_url": "Storage",
    "jwt_secret": "Tokens and access",
    "default_provider": "Providers",
    "max_conversation_history": "Chat",
    "embedder": "Knowledge",
    "agora_app_id": "Screen sharing",
    "log_level": "Operation",
}
"""Headings by the first field below them."""


@dataclass(frozen=True)
class Row:
    """One setting."""

    section: str
    name: str
    """The environment variable that rules."""
    aliases: tuple[str, ...]
    """Other names that are read."""
    default: str
    meaning: str


def settings_command(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a page for the documentation.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List every setting of the server.

    They are read from the environment and from a file `.env`. Values are not shown, since some are secret.
    """
    rows = all_settings()
    if markdown:
        print(page(rows), end="")
    elif as_json:
        for row in rows:
            print(
                json.dumps({"name": row.name, "aliases": row.aliases, "default": row.default, "meaning": row.meaning})
            )
    else:
        _show(rows)


def all_settings() -> list[Row]:
    """Every setting in the order of the source."""
    from deskwire_server.settings import Settings

    rows, section = [], ""
    for field, info in Settings.model_fields.items():
        section = _SECTIONS.get(field, section)
        names = _names(field, info)
        rows.append(Row(section, names[0], tuple(names[1:]), _default(info), info.description or ""))
    return rows


def _names(field: str, info: FieldInfo) -> list[str]:
    choices = getattr(info.validation_alias, "choices", None)
    if choices is None:
        return [info.validation_alias if isinstance(info.validation_alias, str) else field.upper()]
    return [str(choice) for choice in choices]


def _default(info: FieldInfo) -> str:
    from pydantic import SecretStr

    value: Any = info.default
    if isinstance(value, SecretStr):
        return "a demo secret, for loopback only"
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.as_posix() if isinstance(value, Path) else str(value)


def page(rows: list[Row]) -> str:
    """The page `docs/settings.md`."""
    lines = [
        "# Settings",
        "",
        "Every setting of the server, read from the environment and from a file `.env` in the working folder. Made by",
        "`deskwire settings --markdown`. Times are seconds and sizes bytes unless said otherwise. Where a setting has",
        "several names, the first that is set rules.",
    ]
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            lines += ["", f"## {section}", "", "| Setting | Default | Meaning |", "| --- | --- | --- |"]
        aliases = f"<br>also {', '.join(f'`{alias}`' for alias in row.aliases)}" if row.aliases else ""
        default = f"`{row.default}`" if row.default else ""
        lines.append(f"| `{row.name}`{aliases} | {default} | {row.meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def _show(rows: list[Row]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from deskwire_server.cli.screen import screen

    console = screen()
    table, section = None, ""
    for row in rows:
        if row.section != section or table is None:
            if table is not None:
                console.print(table)
            section = row.section
            table = Table("Setting", "Default", "Meaning", title=f"\n{section}", title_justify="left", box=None,
                          header_style="dim", title_style="bold")  # fmt: skip
        names = "\n".join([f"[cyan]{row.name}[/]", *(f"[dim]{alias}[/]" for alias in row.aliases)])
        table.add_row(names, escape(row.default), escape(row.meaning))
    console.print(table)
