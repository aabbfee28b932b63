"""The command line: its commands, each loaded only when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from deskwire_server.cli.exits import EPILOG, Exit, Session, explain, report


@dataclass(frozen=True)
class Entry:
    """Where a command's function is."""

    module: str
    function: str
    help: str
    """First sentence of its help, so that the list of commands needs none of them loaded."""


_HERE = "deskwire_server.cli"
COMMANDS: Mapping[str, Entry] = {
    "run": Entry(f"{_HERE}.run", "run_command", "Run everything on this machine, until Ctrl-C."),
    "doctor": Entry(f"{_HERE}.doctor", "doctor_command", "Check every part of Deskwire on this machine."),
    "ask": Entry(f"{_HERE}.ask", "ask_command", "Ask a question and stream the answer with its sources."),
    "chat": Entry(f"{_HERE}.chat", "chat_command", "Chat over one stream."),
    "search": Entry(f"{_HERE}.search", "search_command", "Find articles of the knowledge base."),
    "knowledge": Entry(f"{_HERE}.knowledge", "", "Import and list articles."),
    "tenant": Entry(f"{_HERE}.tenant", "", "Create, suspend, resume, set up and list tenants."),
    "token": Entry(f"{_HERE}.token", "token_command", "Print a token for a user of a tenant."),
    "revoke": Entry(f"{_HERE}.token", "revoke_command", "Make a token worthless before its time."),
    "serve": Entry(f"{_HERE}.operate", "serve_command", "Run the server alone."),
    "migrate": Entry(f"{_HERE}.operate", "migrate_command", "Bring the database's schema to the newest version."),
    "jobs": Entry(f"{_HERE}.jobs", "", "Look at background work, and try again what was given up."),
    "settings": Entry(f"{_HERE}.settings", "settings_command", "List every setting of the server."),
    "envoy-config": Entry(f"{_HERE}.envoy", "envoy_config_command", "Print Envoy's configuration for some workers."),
}
"""Every command by name. Without a function it is a group: the module's `app`."""


class LazyGroup(TyperGroup):
    """Knows its commands by name and loads the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What the list of commands shows."""
        entry = COMMANDS.get(cmd_name)
        return TyperCommand(cmd_name, help=entry.help) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself."""
        name, command, rest = super().resolve_command(ctx, args)
        return (name, load(name) if name in COMMANDS and name else command, rest)


def load(name: str) -> Any:
    """A command of the table, ready to be called."""
    entry = COMMANDS[name]
    module = importlib.import_module(entry.module)
    if not entry.function:
        group: typer.Typer = module.app
        command = get_command(group)
    else:
        single = typer.Typer(add_completion=False, rich_markup_mode="rich")
        single.command(name, epilog=EPILOG)(getattr(module, entry.function))
        command = get_command(single)
    command.name = name
    return command


app = typer.Typer(
    name="deskwire",
    cls=LazyGroup,
    help="Deskwire: cited, streamed answers from your knowledge base.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"deskwire {version('deskwire')}")
        raise typer.Exit


@app.callback()
def _before_command(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj.debug = debug


def run(arguments: Sequence[str]) -> int:
    """Run a command line. Returns its exit code; errors are one sentence each on stderr."""
    session = Session()
    try:
        get_command(app).main(list(arguments), prog_name="deskwire", obj=session)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:  # the last resort of the program
        if session.debug:
            raise
        found = explain(error)
        report(*found.sentences)
        return found.code
    return Exit.OK
