"""The command `chat`: a conversation over one stream, in the terminal."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import typer

from deskwire_server.cli.ask import ConversationOption, ModelOption, ProviderOption, SessionOption, options_of
from deskwire_server.cli.connect import (
    AuthorityOption,
    Connection,
    JsonOption,
    ServerOption,
    TenantOption,
    TokenOption,
    UserOption,
)
from deskwire_server.cli.exits import CommandError, Exit, explain, report

if TYPE_CHECKING:
    from rich.console import Console

    from deskwire_client import AnswerOptions, Chat, DeskwireClient
    from deskwire_server.cli.lines import LineReader
    from deskwire_server.cli.render import View

HELP = "[dim]/new begins another conversation, /quit or Ctrl-D leaves, Ctrl-C stops an answer.[/]"


def chat_command(
    conversation: ConversationOption = None,
    session: SessionOption = None,
    provider: ProviderOption = "",
    model: ModelOption = "",
    as_json: JsonOption = False,
    server: ServerOption = None,
    token: TokenOption = None,
    tenant: TenantOption = "demo",
    user: UserOption = "ana",
    tls_ca: AuthorityOption = None,
) -> None:
    """Chat over one stream.

    /new begins another conversation, /quit or Ctrl-D leaves, Ctrl-C stops the answer that is being written. Questions
    can also be piped in, one a line. With --json each line of output is a ConversationEvent.
    """
    if conversation and session:
        raise CommandError("give either --conversation or --session", code=Exit.USAGE)
    connection = Connection(server, token, tenant, user, tls_ca)
    raise typer.Exit(asyncio.run(_chat(connection, conversation, session, options_of(provider, model), as_json)))


async def _chat(
    connection: Connection,
    conversation_id: str | None,
    session: str | None,
    options: AnswerOptions | None,
    as_json: bool,
) -> Exit:
    from deskwire_server.cli.lines import LineReader
    from deskwire_server.cli.screen import screen

    console = screen()
    with LineReader(prompt="" if as_json else "\nYou › ") as lines:
        async with connection.client() as client:
            talk = _Talk(client, console, lines, options, as_json=as_json)
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, talk.interrupted)
            return await talk.run(conversation_id, session)


class _Talk:
    """What is said in one run of the command, over one or more conversations."""

    def __init__(
        self,
        client: DeskwireClient,
        console: Console,
        lines: LineReader,
        options: AnswerOptions | None,
        *,
        as_json: bool,
    ) -> None:
        self._client = client
        self._console = console
        self._lines = lines
        self._options = options
        self._as_json = as_json
        self._cancel: asyncio.Event | None = None
        self._view: View | None = None
        self._worst = Exit.OK

    def interrupted(self) -> None:
        """Ctrl-C: stop the answer; with none running, say how to leave."""
        if self._cancel is not None:
            self._cancel.set()
        else:
            self._console.print(f"\n{HELP}")

    async def run(self, conversation_id: str | None, session: str | None) -> Exit:
        """Until the person leaves. Returns the exit code."""
        while True:
            async with self._client.converse(
                conversation_id, session=session, options=self._options, state=self._state
            ) as chat:
                await chat.ready()
                if self._lines.interactive and not self._as_json:
                    self._console.print(f"[dim]Conversation {chat.id}[/]\n{HELP}")
                again = await self._talk(chat)
                conversation_id, session = (chat.id, None) if again == "resume" else (None, None)
            if again == "quit":
                return self._worst

    async def _talk(self, chat: Chat) -> str:
        """One conversation. Returns `quit`, `new`, or `resume` after an error that ended the stream."""
        while True:
            line = await self._lines.next()
            if line is None or line.strip() in ("/quit", "/exit"):
                return "quit"
            text = line.strip()
            if text == "/new":
                return "new"
            if text in ("/help", "/?"):
                self._console.print(HELP)
            elif text and not await self._answer(chat, line):
                return "resume"

    async def _answer(self, chat: Chat, question: str) -> bool:
        """Ask and show. Returns whether the stream goes on."""
        from deskwire_client import DeskwireError
        from deskwire_server.cli import render

        self._view = render.view_for(self._console, as_json=self._as_json)
        self._cancel = asyncio.Event()
        answer = chat.send(question)
        stopping = asyncio.create_task(self._stop_when_asked(chat, self._cancel))
        try:
            await render.show(answer, self._view)
        except CommandError as error:
            self._fail(error)
        except DeskwireError as error:
            found = explain(error)
            if found.code in (Exit.UNREACHABLE, Exit.NOT_AUTHORISED):
                raise
            self._fail(found)
            return False
        finally:
            stopping.cancel()
            self._cancel = self._view = None
        return True

    async def _stop_when_asked(self, chat: Chat, asked: asyncio.Event) -> None:
        await asked.wait()
        await chat.cancel()

    def _fail(self, error: CommandError) -> None:
        report(*error.sentences)
        if not self._lines.interactive:
            self._worst = error.code

    def _state(self, state: object) -> None:
        from deskwire_client import StreamState

        if self._view is not None and isinstance(state, StreamState):
            self._view.state(state)
