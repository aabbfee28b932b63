"""The commands `knowledge …`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
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
from deskwire_server.cli.exits import EPILOG, CommandError, Exit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from deskwire_client import Article, ImportProgress, ImportSummary

app = typer.Typer(
    help="Import and list articles.", epilog=EPILOG, no_args_is_help=True, add_completion=False, rich_markup_mode="rich"
)


@app.command("import", epilog=EPILOG)
def import_folder(
    folder: Annotated[
        Path, typer.Argument(exists=True, readable=True, help="Folder of .md .mdx .html .txt .pdf .docx files.")
    ],
    category: Annotated[str, typer.Option(show_default=False, help="Category of every article.")] = "",
    tag: Annotated[list[str] | None, typer.Option(show_default=False, help="Tags that every article gets.")] = None,
    as_json: JsonOption = False,
    server: ServerOption = None,
    token: TokenOption = None,
    tenant: TenantOption = "demo",
    user: UserOption = "ana",
    tls_ca: AuthorityOption = None,
) -> None:
    """Import a folder of articles; done when all of them can be found.

    Unchanged documents are skipped, so an import can be repeated. One bad document never stops the rest. With --json
    a line with an ImportResult for each document, then one with the counts.
    """
    connection = Connection(server, token, tenant, user, tls_ca, role="admin")
    began = time.monotonic()
    summary = asyncio.run(_import(connection, folder, category, tag or [], as_json))
    if not summary.results:
        raise CommandError(f"there is no .md, .mdx, .markdown, .html, .htm, .txt, .pdf or .docx file below {folder}")
    if as_json:
        from deskwire_server.cli import forms

        print(forms.line(forms.import_summary(summary)))
    else:
        _show_summary(summary, time.monotonic() - began)
    failed = len(summary.failures)
    if failed:
        raise typer.Exit(Exit.FAILURE if failed == len(summary.results) else Exit.PARTIAL)


async def _import(connection: Connection, folder: Path, category: str, tags: list[str], as_json: bool) -> ImportSummary:
    from deskwire_server.cli import forms

    async with connection.client() as client:
        if as_json:

            def write(step: ImportProgress) -> None:
                for result in step.latest:
                    print(forms.line(forms.import_result(result)), flush=True)

            return await client.import_folder(folder, category=category, tags=tags, progress=write)
        with _progress_bar() as bar:
            task = bar.add_task("Importing", total=None)

            def draw(step: ImportProgress) -> None:
                bar.update(task, completed=step.done, total=step.total)

            return await client.import_folder(folder, category=category, tags=tags, progress=draw)


def _progress_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _show_summary(summary: ImportSummary, seconds: float) -> None:

    from deskwire_client import ImportOutcome
    from deskwire_server.cli.screen import screen

    console = screen()
    if summary.failures:
        _show_failures(console, summary)
    created, updated = summary.count(ImportOutcome.CREATED), summary.count(ImportOutcome.UPDATED)
    unchanged, failed = summary.count(ImportOutcome.UNCHANGED), len(summary.failures)
    console.print(f"{created} new, {updated} changed, {unchanged} unchanged, {failed} failed, in {seconds:.1f} s.")
    if summary.pending_embeddings:
        waiting = f"{summary.pending_embeddings} passages wait for the embedder; they are found by words meanwhile."
        console.print(f"[yellow]{waiting}[/]")


def _show_failures(console: Console, summary: ImportSummary) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("Document", "Why it failed", box=None, header_style="bold red")
    for failure in summary.failures:
        table.add_row(escape(failure.source_path), escape(failure.message))
    console.print(table)


@app.command("list", epilog=EPILOG)
def list_articles(
    category: Annotated[str, typer.Option(show_default=False, help="Only this category.")] = "",
    query: Annotated[str, typer.Option(show_default=False, help="Only titles or paths that contain this.")] = "",
    as_json: JsonOption = False,
    server: ServerOption = None,
    token: TokenOption = None,
    tenant: TenantOption = "demo",
    user: UserOption = "ana",
    tls_ca: AuthorityOption = None,
) -> None:
    """List articles by title. With --json an Article without its content a line."""
    from deskwire_server.cli import forms

    async def collect() -> list[Article]:
        async with Connection(server, token, tenant, user, tls_ca).client() as client:
            return [article async for article in client.articles.list(category=category, query=query)]

    articles = asyncio.run(collect())
    if as_json:
        for article in articles:
            print(forms.line(forms.article(article)))
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("Title", "Category", "Source path", "Passages", box=None, header_style="bold")
    for article in articles:
        cells = (article.title, article.category, article.source_path, str(article.passage_count))
        table.add_row(*(escape(cell) for cell in cells))
    from deskwire_server.cli.screen import screen

    screen().print(table, f"\n[dim]{len(articles)} articles[/]", sep="\n")
