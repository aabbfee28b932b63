"""The command `doctor`: looks at every part, says what is wrong and what to do about it."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deskwire_server.cli.run import describe_settings_error
from deskwire_server.settings import Settings
from deskwire_server.stack.checks import Finding, Level, examine

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON object.")] = False,
) -> None:
    """Check every part of Deskwire on this machine, whether it runs or not. Exits with 1 when something fails."""
    try:
        findings = asyncio.run(examine(Settings()))
    except ValidationError as error:
        findings = [Finding("settings", Level.FAIL, describe_settings_error(error), "correct the environment or .env")]
    failed = any(finding.level is Level.FAIL for finding in findings)
    if as_json:
        print(json.dumps({"ok": not failed, "findings": [finding.as_json() for finding in findings]}))
    else:
        _show(findings)
    raise typer.Exit(1 if failed else 0)


def _show(findings: list[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        advice = f"\n[dim]→ {escape(finding.advice)}[/]" if finding.advice else ""
        level = f"[{_STYLES[finding.level]}]{finding.level.value}[/]"
        table.add_row(level, f"[bold]{escape(finding.part)}[/]", escape(finding.text) + advice)
    Console(highlight=False).print(table)
