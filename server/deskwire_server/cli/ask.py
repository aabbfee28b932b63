"""The command `ask`."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from deskwire_server.cli.connect import (
    AuthorityOption,
    Connection,
    JsonOption,
    ServerOption,
    TenantOption,
    TokenOption,
    UserOption,
)
from deskwire_server.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from deskwire_client import Answer, AnswerOptions

ConversationOption = Annotated[
    str | None, typer.Option(show_default=False, help="Id of the conversation to go on with; a new one by default.")
]
SessionOption = Annotated[
    str | None, typer.Option(show_default=False, help="Go on with the conversation of this session.")
]
ProviderOption = Annotated[
    str, typer.Option(show_default=False, help="Provider that shall answer, such as builtin or openai.")
]
ModelOption = Annotated[str, typer.Option(show_default=False, help="Model that shall answer.")]


def ask_command(
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
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
    """Ask a question and stream the answer with its sources.

    Ctrl-C stops the answer. With --json each line is a ConversationEvent; the last one has `messageCompleted`,
    `turnFailed` or `turnCancelled`.
    """
    if conversation and session:
        raise CommandError("give either --conversation or --session", code=Exit.USAGE)
    text = sys.stdin.read() if question == "-" else question
    connection = Connection(server, token, tenant, user, tls_ca)
    raise typer.Exit(asyncio.run(_ask(connection, text, conversation, session, options_of(provider, model), as_json)))


def options_of(provider: str, model: str) -> AnswerOptions | None:
    """How the answer shall be made; None where nothing was asked for."""
    from deskwire_client import AnswerOptions

    return AnswerOptions(provider=provider, model=model) if provider or model else None


async def _ask(
    connection: Connection,
    text: str,
    conversation_id: str | None,
    session: str | None,
    options: AnswerOptions | None,
    as_json: bool,
) -> Exit:
    from deskwire_server.cli import render
    from deskwire_server.cli.screen import screen

    view = render.view_for(screen(), as_json=as_json)
    async with connection.client() as client:
        conversation = client.conversation(conversation_id, session=session, options=options, state=view.state)
        answer = conversation.send(text)
        try:
            message = await render.show(answer, view)
        except asyncio.CancelledError:
            await _stop(answer)
            raise
    return Exit.OK if message is not None else Exit.FAILURE


async def _stop(answer: Answer) -> None:
    """Tell the server that nobody waits for the answer any more."""
    from deskwire_client import DeskwireError

    try:
        async with asyncio.timeout(2):
            await answer.cancel()
    except (DeskwireError, TimeoutError) as error:
        print(f"deskwire: the answer may still be written on the server: {error}", file=sys.stderr)
