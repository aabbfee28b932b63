"""Shows an answer while it is written: as live Markdown, as plain text, or as JSON lines."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.markup import escape
from rich.padding import Padding
from rich.spinner import Spinner
from rich.text import Text

from deskwire_client import (
    Accepted,
    Cancelled,
    Citation,
    Completed,
    Event,
    Failed,
    Message,
    Started,
    StreamState,
    TextDelta,
)
from deskwire_server.cli import forms
from deskwire_server.cli.exits import CommandError, Exit

_FENCE = re.compile(r"^\s{0,3}(```|~~~)", re.MULTILINE)


class View(Protocol):
    """Where an answer appears."""

    def show(self, event: Event) -> None:
        """One event, in its order."""

    def state(self, state: StreamState) -> None:
        """The connection changed."""

    def close(self) -> None:
        """Nothing more comes; leave the terminal as it was."""


async def show(answer: AsyncIterator[Event], view: View) -> Message | None:
    """Show a whole answer. Returns it, None when it was cancelled. Raises CommandError when the turn failed."""
    try:
        async for event in answer:
            view.show(event)
            if isinstance(event, Failed):
                raise CommandError(event.message or "the answer failed", code=Exit.FAILURE)
            if isinstance(event, Cancelled):
                return None
            if isinstance(event, Completed):
                return event.message
    finally:
        view.close()
    return None


class JsonView:
    """One event a line on stdout."""

    def show(self, event: Event) -> None:
        """At once, so that a script can follow."""
        print(forms.line(forms.event(event)), flush=True)

    def state(self, state: StreamState) -> None:
        """On stderr, since stdout carries events only."""
        if state is StreamState.RECONNECTING:
            print("deskwire: reconnecting", file=sys.stderr)

    def close(self) -> None:
        """Nothing is held back."""


class PlainView:
    """Text as it comes, for pipes and files."""

    def __init__(self) -> None:
        self._written = False

    def show(self, event: Event) -> None:
        """Text at once; sources and follow-ups at the end."""
        if isinstance(event, Started) and self._written:
            print("\n\n(The answer starts again.)\n", flush=True)
            self._written = False
        elif isinstance(event, TextDelta):
            print(event.text, end="", flush=True)
            self._written = True
        elif isinstance(event, Completed):
            print("\n".join(["", *self._after(event.message)]), flush=True)
        elif isinstance(event, Cancelled) and self._written:
            print(flush=True)

    def _after(self, message: Message) -> list[str]:
        lines = []
        if message.citations:
            lines += ["", "Sources:", *(f"[{c.number}] {_source(c)}" for c in message.citations)]
        if message.answer and message.answer.follow_up_questions:
            lines += ["", "You may also ask:", *(f"- {question}" for question in message.answer.follow_up_questions)]
        return lines

    def state(self, state: StreamState) -> None:
        """On stderr."""
        if state is StreamState.RECONNECTING:
            print("deskwire: reconnecting", file=sys.stderr)

    def close(self) -> None:
        """Nothing is held back."""


class TerminalView:
    """Markdown that grows. Finished blocks are printed for good, only the last one is drawn again and again."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._notice = "thinking"
        self._open = ""
        self._printed = False

    def show(self, event: Event) -> None:
        """Draw what the event changes."""
        if isinstance(event, Accepted):
            waiting = f"waiting for {event.queue_position} before" if event.queue_position else "thinking"
            self._update(notice=waiting)
        elif isinstance(event, Started):
            self._restart(event.attempt)
        elif isinstance(event, TextDelta):
            self._open += event.text
            self._settle()
            self._update(notice="")
        elif isinstance(event, Completed):
            self._finish()
            self._console.print(*self._after(event.message), sep="\n")
        elif isinstance(event, Cancelled):
            self._finish()
            self._console.print("[dim]Stopped.[/]")

    def _restart(self, attempt: int) -> None:
        if self._printed or self._open:
            self._open = ""
            self._update(notice="")
            self._stop()
            self._console.print(f"[dim]The answer starts again (attempt {attempt}).[/]\n")
            self._printed = False
        self._update(notice="thinking")

    def _settle(self) -> None:
        """Print every block that can't change any more."""
        position = settled_length(self._open)
        if position:
            self._live_console().print(Padding(Markdown(self._open[:position]), (0, 0, 1, 0)))
            self._open = self._open[position:]
            self._printed = True

    def _live_console(self) -> Console:
        return self._live.console if self._live else self._console

    def _update(self, *, notice: str) -> None:
        self._notice = notice
        if self._live is None:
            self._live = Live(console=self._console, refresh_per_second=12, transient=True)
            self._live.start()
        self._live.update(self._drawing())

    def _drawing(self) -> RenderableType:
        parts: list[RenderableType] = [Markdown(self._open)] if self._open else []
        if self._notice:
            parts.append(Spinner("dots", text=Text(self._notice, style="dim")))
        return Group(*parts)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _finish(self) -> None:
        self._stop()
        if self._open.strip():
            self._console.print(Markdown(self._open))
        self._open = ""

    def _after(self, message: Message) -> list[RenderableType]:
        parts: list[RenderableType] = []
        if message.citations:
            parts.append("\n[bold]Sources[/]")
        for citation in message.citations:
            parts.append(f"  [cyan]{escape(f'[{citation.number}]')}[/] {escape(_source(citation))}")
        if message.answer and message.answer.follow_up_questions:
            parts.append("\n[bold]You may also ask[/]")
            parts += [f"  • {escape(question)}" for question in message.answer.follow_up_questions]
        return parts

    def state(self, state: StreamState) -> None:
        """A notice below the text."""
        if state is StreamState.RECONNECTING:
            self._update(notice="reconnecting")
        elif state is StreamState.CONNECTED and self._notice == "reconnecting":
            self._update(notice="" if self._open else "thinking")

    def close(self) -> None:
        """Print what is still open and give the terminal back."""
        self._finish()


def settled_length(text: str) -> int:
    """How much of a growing Markdown text is made of blocks that more text can't change."""
    position = text.rfind("\n\n")
    while position > 0:
        if len(_FENCE.findall(text[:position])) % 2 == 0 and not text[position + 2 :].startswith((" ", "\t")):
            rest = text[position + 2 :]
            return position + 2 if rest.strip() else 0
        position = text.rfind("\n\n", 0, position)
    return 0


def _source(citation: Citation) -> str:
    what = " › ".join((citation.title, *citation.heading_path))
    where = citation.source_path or citation.url
    return f"{what} — {where}" if where else what


def view_for(console: Console, *, as_json: bool) -> View:
    """The view that fits where the output goes."""
    if as_json:
        return JsonView()
    return TerminalView(console) if console.is_terminal else PlainView()
