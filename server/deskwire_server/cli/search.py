"""The command `search`."""

from __future__ import annotations

import asyncio
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

if TYPE_CHECKING:
    from deskwire_client import SearchResults


def search_command(
    words: Annotated[str, typer.Argument(help="Question or words to look for.")],
    category: Annotated[str, typer.Option(show_default=False, help="Only this category.")] = "",
    tag: Annotated[list[str] | None, typer.Option(show_default=False, help="Only with one of these tags.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many articles at most.")] = 10,
    as_json: JsonOption = False,
    server: ServerOption = None,
    token: TokenOption = None,
    tenant: TenantOption = "demo",
    user: UserOption = "ana",
    tls_ca: AuthorityOption = None,
) -> None:
    """Find articles of the knowledge base.

    With --json one line with a SearchKnowledgeResponse. Finding nothing is no error.
    """
    from deskwire_server.cli import forms

    async def search() -> SearchResults:
        async with Connection(server, token, tenant, user, tls_ca).client() as client:
            return await client.search(words, category=category, tags=tag or (), limit=limit)

    found = asyncio.run(search())
    if as_json:
        print(forms.line(forms.search_results(found)))
    else:
        _show(found)


def _show(found: SearchResults) -> None:
    from rich.markup import escape

    from deskwire_server.cli.screen import screen

    console = screen()
    if not found.hits:
        console.print("Nothing found.")
        return
    for number, hit in enumerate(found.hits, 1):
        where = escape(hit.article.source_path or hit.article.url)
        console.print(
            f"[cyan]{number:>2}[/] [bold]{escape(hit.article.title)}[/]  [dim]{hit.relevance:.2f}  {where}[/]"
        )
        if hit.passages:
            text = " ".join(hit.passages[0].text.split())
            console.print(f"   {escape(text[:200])}{'…' if len(text) > 200 else ''}")
    console.print(f"\n[dim]{found.total_count} articles fit, {found.search_time * 1000:.0f} ms[/]")
