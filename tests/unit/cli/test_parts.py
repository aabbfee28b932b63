"""Parts of the command line that need no process of their own."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence

import pytest
from rich.console import Console

from deskwire_client import Completed, Event, InternalError, Message, MessageRole, Started, TextDelta, UnavailableError
from deskwire_server.cli import app, render
from deskwire_server.cli.exits import Exit, explain
from deskwire_server.errors import AlreadyExists


def test_the_list_of_commands_tells_what_the_commands_tell() -> None:
    """Its sentences are kept apart from the functions so that none of them has to be loaded."""
    for name, entry in app.COMMANDS.items():
        if entry.module.endswith((".run", ".doctor")):
            continue
        assert app.load(name).help.splitlines()[0] == entry.help


@pytest.mark.parametrize("name", list(app.COMMANDS))
def test_every_command_loads(name: str) -> None:
    assert app.load(name).name == name


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (AlreadyExists("tenant x exists already"), Exit.FAILURE, "tenant x exists already"),
        (UnavailableError("connect failed"), Exit.UNREACHABLE, "deskwire run"),
        (UnavailableError("draining", reason="SERVER_DRAINING", retry_after=3), Exit.UNREACHABLE, "try again in 3 s"),
        (UnavailableError("no provider", reason="PROVIDER_UNAVAILABLE"), Exit.FAILURE, "no provider"),
        (InternalError("internal error", reason="INTERNAL", request_id="r-7"), Exit.FAILURE, "(request r-7)"),
        (FileNotFoundError(2, "No such file or directory", "x.pem"), Exit.FAILURE, "x.pem: No such file"),
        (ZeroDivisionError("division\nby zero"), Exit.FAILURE, "--debug"),
    ],
)
def test_errors_become_one_sentence(error: Exception, code: Exit, text: str) -> None:
    found = explain(error)
    assert found.code == code
    assert text in found.sentences[0]
    assert "\n" not in found.sentences[0]


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("one", ""),
        ("one\n\n", ""),
        ("one\n\ntwo", "one\n\n"),
        ("one\n\ntwo\n\nthree", "one\n\ntwo\n\n"),
        ("```\na\n\nb", ""),
        ("x\n\n```\na\n\nb", "x\n\n"),
        ("```\na\n\nb\n```\n\nafter", "```\na\n\nb\n```\n\n"),
        ("- a\n\n  more of a", ""),
    ],
)
def test_blocks_that_more_text_cannot_change(text: str, settled: str) -> None:
    assert text[: render.settled_length(text)] == settled


def answer(attempts: Sequence[Sequence[str]]) -> list[Event]:
    events: list[Event] = []
    for number, deltas in enumerate(attempts, 1):
        events.append(Started(message_id="m", attempt=number))
        offset = 0
        for text in deltas:
            events.append(TextDelta(message_id="m", attempt=number, offset=offset, text=text))
            offset += len(text)
    whole = Message(id="m", conversation_id="c", role=MessageRole.ASSISTANT, text="".join(attempts[-1]))
    return [*events, Completed(message=whole)]


async def stream(events: Sequence[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def test_markdown_in_a_terminal() -> None:
    """Each block is on the screen once at the end."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, legacy_windows=False, color_system=None)
    view = render.TerminalView(console)
    deltas = ["First ", "**paragraph**.\n\n", "1. one\n2. two\n\n", "Last."]
    message = await render.show(stream(answer([deltas])), view)
    assert message is not None
    assert isinstance(console.file, io.StringIO)
    final = console.file.getvalue().rpartition("\x1b[2K")[2]
    for part in ("Last.",):
        assert part in final
    assert "First paragraph." in console.file.getvalue()


async def test_an_attempt_that_starts_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Is told, since text that is printed can't be taken back."""
    await render.show(stream(answer([["Wrong"], ["Right"]])), render.PlainView())
    assert capsys.readouterr().out == "Wrong\n\n(The answer starts again.)\n\nRight\n"
