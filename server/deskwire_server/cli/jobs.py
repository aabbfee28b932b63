"""The commands `jobs …`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deskwire_server.cli.connect import JsonOption
from deskwire_server.cli.exits import EPILOG, CommandError, Exit

if TYPE_CHECKING:
    from deskwire_server.jobs.models import DeadJob, QueueState
    from deskwire_server.jobs.queue import JobQueue

app = typer.Typer(
    help="Look at background work, and try again what was given up.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)

T = TypeVar("T")

IdArgument = Annotated[int, typer.Argument(help="Number of a dead job, as `jobs list` shows it.", min=1)]
LimitOption = Annotated[int, typer.Option(help="Dead jobs to show at most.", min=1, max=10_000)]


@app.command("list", epilog=EPILOG)
def list_jobs(limit: LimitOption = 100, as_json: JsonOption = False) -> None:
    """Show how many jobs wait, run and were given up, and why these were."""

    async def look(queue: JobQueue) -> tuple[list[QueueState], list[DeadJob]]:
        return await queue.states(), await queue.dead(limit)

    states, dead = _with_queue(look)
    if as_json:
        print(json.dumps({"states": [_state(state) for state in states], "dead": [_dead(job) for job in dead]}))
        return
    if not states:
        print("No background work waits.")
        return
    from rich.markup import escape
    from rich.table import Table

    from deskwire_server.cli.screen import screen

    table = Table("Kind", "State", "Jobs", "Oldest", box=None, header_style="bold")
    for state in states:
        style = "red" if state.state == "dead" else "default"
        table.add_row(escape(state.kind), f"[{style}]{state.state}[/]", str(state.count), _age(state.oldest))
    screen().print(table)
    if dead:
        letters = Table("Dead job", "Kind", "Given up", "Tries", "Reason", box=None, header_style="bold")
        for job in dead:
            letters.add_row(str(job.id), escape(job.kind), _age(job.failed_at), str(job.tries), escape(job.reason))
        screen().print(letters)


@app.command(epilog=EPILOG)
def retry(job_id: IdArgument) -> None:
    """Try a dead job again from the start."""
    if not _with_queue(lambda queue: queue.retry(job_id)):
        raise _missing(job_id)
    print(f"Job {job_id} waits again.")


@app.command(epilog=EPILOG)
def drop(job_id: IdArgument) -> None:
    """Forget a dead job: what it was to do stays undone."""
    if not _with_queue(lambda queue: queue.drop(job_id)):
        raise _missing(job_id)
    print(f"Dropped job {job_id}.")


def _missing(job_id: int) -> CommandError:
    return CommandError(f"there is no dead job {job_id}", code=Exit.NOT_FOUND)


def _with_queue(work: Callable[[JobQueue], Awaitable[T]]) -> T:
    url = _system_url()

    async def run() -> T:
        from deskwire_server.jobs.queue import JobQueue, connect

        connection = await connect(url)
        try:
            return await work(JobQueue(connection))
        finally:
            await connection.close()

    return asyncio.run(run())


def _system_url() -> str:
    """The system role's URL: as set, else of the stack that runs on this machine."""
    from deskwire_server.settings import Settings
    from deskwire_server.stack import state

    settings = Settings()
    if settings.database_system_url is not None:
        return settings.database_system_url.get_secret_value()
    running = state.load(settings)
    if running is not None and running.database_system_url:
        return running.database_system_url
    raise CommandError(
        "there is no queue to look at: start it with `deskwire run`, or set DATABASE_SYSTEM_URL", code=Exit.UNREACHABLE
    )


def _age(since: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def _state(state: QueueState) -> dict[str, object]:
    return {
        "kind": state.kind, "state": state.state, "count": state.count, "oldestTime": state.oldest.isoformat()
    }  # fmt: skip


def _dead(job: DeadJob) -> dict[str, object]:
    return {
        "id": job.id, "kind": job.kind, "tries": job.tries, "reason": job.reason,
        "createTime": job.created_at.isoformat(), "failTime": job.failed_at.isoformat(),
        "tenantId": str(job.work.tenant_id), "conversationId": str(job.work.conversation_id),
    }  # fmt: skip
