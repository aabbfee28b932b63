"""The command `run`: the whole stack on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Protocol

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deskwire_server.cli.exits import Exit
from deskwire_server.settings import Settings, is_loopback
from deskwire_server.stack.errors import StackError
from deskwire_server.stack.state import RunState
from deskwire_server.stack.supervisor import Stack

DEMO_TENANT = "demo"
DEMO_USERS: Mapping[str, str] = {"user": "ana", "agent": "ben", "admin": "cleo", "service": "billing-service"}
"""The demo tenant's person for each role."""

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_command(
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON line of addresses and tokens when ready; notices go to stderr."),
    ] = False,
    demo: Annotated[bool, typer.Option(help="Load the demo tenant; only done while listening on loopback.")] = True,
) -> None:
    """Run Postgres, Valkey, Envoy, the embedder and the server on this machine, until Ctrl-C."""
    screen: Screen = JsonScreen() if as_json else PersonScreen()
    try:
        settings = Settings()
    except ValidationError as error:
        screen.problem(describe_settings_error(error))
        raise typer.Exit(Exit.USAGE) from None
    raise typer.Exit(asyncio.run(_Run(settings, screen, demo=demo and is_loopback(settings.host)).main()))


def describe_settings_error(error: ValidationError) -> str:
    """What is wrong with the environment, a sentence for each setting, without its value, which may be secret."""
    problems = []
    for entry in error.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(str(part) for part in entry["loc"])
        problems.append(f"{name}: {entry['msg']}" if name else entry["msg"].removeprefix("Value error, "))
    return "; ".join(problems)


class Screen(Protocol):
    """Where the launcher speaks."""

    def starting(self, settings: Settings) -> None:
        """It begins."""

    def ready(self, state: RunState, tokens: Mapping[str, str], seconds: float) -> None:
        """Calls are answered."""

    def notice(self, text: str) -> None:
        """Something a person may want to know."""

    def problem(self, text: str) -> None:
        """Why it ends."""

    def stopping(self) -> None:
        """It was asked to end."""


class PersonScreen:
    """For a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._errors = Console(stderr=True, highlight=False)

    def starting(self, settings: Settings) -> None:
        """Say so at once: the first start takes some seconds."""
        self._console.print(f"Starting Deskwire, data in [bold]{escape(str(settings.data_dir))}[/] …")

    def ready(self, state: RunState, tokens: Mapping[str, str], seconds: float) -> None:
        """Addresses, tokens, and what to do next."""
        table = Table.grid(padding=(0, 2))
        table.add_row("Page, JSON, grpc-web", f"[bold cyan]{escape(state.http_url)}[/]")
        table.add_row("gRPC", f"[bold cyan]{escape(state.grpc_address)}[/]")
        self._console.print(f"[green]Ready[/] after {seconds:.1f} s.\n", table)
        if tokens:
            self._console.print(f"\nTokens of the tenant [bold]{DEMO_TENANT}[/], one for each role:")
        for role, token in tokens.items():
            # Whole and on one line, so that it can be copied.
            self._console.print(f"[bold]{role:<8}[/]{DEMO_USERS[role]}", f"[dim]{token}[/]", sep="\n", soft_wrap=True)
        self._console.print("\nTry [bold].venv/bin/deskwire chat[/] in another terminal. Ctrl-C stops everything.")

    def notice(self, text: str) -> None:
        """A yellow line."""
        self._errors.print(f"[yellow]{escape(text)}[/]", soft_wrap=True)

    def problem(self, text: str) -> None:
        """A red line on stderr."""
        self._errors.print(f"[red]Deskwire cannot run:[/] {escape(text)}", soft_wrap=True)

    def stopping(self) -> None:
        """One line."""
        self._console.print("\nStopping …")


class JsonScreen:
    """For a script: one JSON line on stdout when ready, everything else on stderr."""

    def __init__(self) -> None:
        self._errors = Console(stderr=True, highlight=False, no_color=True)

    def starting(self, settings: Settings) -> None:
        """Nothing: scripts wait for the line."""

    def ready(self, state: RunState, tokens: Mapping[str, str], seconds: float) -> None:
        """The one line."""
        line = {
            "httpUrl": state.http_url,
            "grpcAddress": state.grpc_address,
            "tenant": DEMO_TENANT if tokens else None,
            "tokens": dict(tokens),
            "users": {role: DEMO_USERS[role] for role in tokens},
            "startSeconds": round(seconds, 2),
            "pid": os.getpid(),
        }
        print(json.dumps(line), flush=True)

    def notice(self, text: str) -> None:
        """On stderr."""
        self._errors.print(text, markup=False, soft_wrap=True)

    def problem(self, text: str) -> None:
        """On stderr."""
        self._errors.print(f"Deskwire cannot run: {text}", markup=False, soft_wrap=True)

    def stopping(self) -> None:
        """Nothing: the exit code says it."""


class _Run:
    """One run from start to exit code."""

    def __init__(self, settings: Settings, screen: Screen, *, demo: bool) -> None:
        self._settings = settings
        self._screen = screen
        self._demo = demo
        self._stack = Stack(settings, screen.notice)
        self._stop = asyncio.Event()

    async def main(self) -> int:
        """0 after a stop that was asked for, 1 after a problem."""
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._asked_to_stop)
        try:
            self._stack.folder.create()
            with self._stack.folder.locked():
                return await self._locked()
        except StackError as error:
            self._screen.problem(str(error))
            return 1

    async def _locked(self) -> int:
        try:
            work = asyncio.create_task(self._serve())
            stop = asyncio.create_task(self._stop.wait())
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            return 0
        finally:
            await self._stack.stop()

    async def _serve(self) -> None:
        began = time.monotonic()
        self._screen.starting(self._settings)
        await self._stack.start(demo=self._demo)
        tokens = mint_demo_tokens(self._settings) if self._demo else {}
        self._screen.ready(self._stack.state, tokens, time.monotonic() - began)
        if self._demo:
            await self._stack.run_demo()
        await self._stop.wait()

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._stack.kill()
            return
        self._screen.stopping()
        self._stop.set()


def mint_demo_tokens(settings: Settings) -> dict[str, str]:
    """A token of the demo tenant for each role."""
    from deskwire_server.auth import tokens
    from deskwire_server.auth.caller import Role

    return {
        role: tokens.mint(settings, tenant=DEMO_TENANT, user=user, role=Role(role)) for role, user in DEMO_USERS.items()
    }
