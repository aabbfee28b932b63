"""What background work and the order of a tenant's events cost a turn, in Postgres, and a worker that is idle."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from prometheus_client import CollectorRegistry

from deskwire_server.db import migrate
from deskwire_server.jobs import queue
from deskwire_server.jobs.models import Work
from deskwire_server.jobs.runner import JobRunner
from deskwire_server.metrics import Metrics
from deskwire_server.tenants import admin as tenants
from tests.store.turns import accept, claim, finish
from tests.support.postgres import TestPostgres, start_test_postgres
from tests.support.server import new_tenant

_TURNS = 15
_CALLS = 300
_ROUNDS = 9
_SETTLING, _QUIET = 8.0, 60.0
_LOOP = """
    CREATE OR REPLACE FUNCTION pg_temp.measured(calls int) RETURNS float LANGUAGE plpgsql AS $f$
    DECLARE began timestamptz := clock_timestamp();
    BEGIN
        FOR number IN 1..calls LOOP PERFORM {call}; END LOOP;
        RETURN extract(epoch FROM clock_timestamp() - began) * 1e6 / calls;
    END $f$
"""


class Talk:
    """A conversation of thirty messages, and the calls that its next turn makes."""

    def __init__(self, app: Any, owner: Any, superuser: Any, tenant: UUID) -> None:
        self._app = app
        self._owner = owner
        self._superuser = superuser
        self._tenant = tenant
        self._conversation: UUID | None = None
        self._turns: list[UUID] = []

    async def fill(self) -> None:
        """Ask and answer."""
        worker = uuid4()
        for _ in range(_TURNS):
            row = await accept(self._app, self._tenant, worker=worker, conversation=self._conversation)
            self._conversation = row["conversation_id"]
            self._turns.append(row["turn_id"])
            await claim(self._app, self._tenant, row["turn_id"], worker)
            await finish(self._app, self._tenant, row["turn_id"], worker, 1)

    async def microseconds(self, call: str) -> float:
        """The best of some rounds of many calls, undone again."""
        names = {"tenant": self._tenant, "conversation": self._conversation, "turn": self._turns[-1]}
        await self._app.execute(_LOOP.format(call=call.format(**{key: f"'{value}'" for key, value in names.items()})))
        best = float("inf")
        for _ in range(_ROUNDS):
            transaction = self._app.transaction()
            await transaction.start()
            await self._app.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(self._tenant))
            best = min(best, await self._app.fetchval("SELECT pg_temp.measured($1)", _CALLS))
            await transaction.rollback()
        return best

    async def figures(self) -> list[tuple[str, float]]:
        """Each call with its time."""
        hook = "turn_finished_hook({tenant}, {conversation}, {turn}, 'completed')"
        append = "event_append({tenant}, {conversation}, NULL, 'turn_started', '{{}}')"
        window = "turn_messages({tenant}, {turn}, 20)"
        history = "turn_history({tenant}, {turn}, 20)"
        await self._superuser.execute("UPDATE conversations SET title_made_at = now(), summary_due = 1000")
        found = [("end of a turn that asks for nothing", await self.microseconds(hook))]
        await self._superuser.execute("UPDATE conversations SET title_made_at = NULL")
        found.append(("end of a turn that asks for a title", await self.microseconds(hook)))
        found.append(("an event", await self.microseconds(append)))
        found.append(("history, the window alone", await self.microseconds(window)))
        found.append(("history of a conversation without summary", await self.microseconds(history)))
        await self._superuser.execute(
            "INSERT INTO summaries (tenant_id, conversation_id, turn_id, text, provider) "
            "VALUES ($1, $2, $3, repeat('word ', 200), '')", self._tenant, self._conversation, self._turns[4],
        )  # fmt: skip
        found.append(("history with its summary", await self.microseconds(history)))
        await self._owner.execute("ALTER TABLE events DISABLE TRIGGER event_place; DROP INDEX events_of_tenant")
        found.append(("an event without place and index", await self.microseconds(append)))
        return found


class Counting(AsyncpgDriver):
    """A driver that counts what it sends."""

    sent = 0

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        Counting.sent += 1
        return await super().fetch(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        Counting.sent += 1
        return await super().execute(query, *args)

    async def notify(self, channel: str, payload: str) -> None:
        Counting.sent += 1
        await super().notify(channel, payload)


async def idle(postgres: TestPostgres) -> tuple[float, float]:
    """Statements and milliseconds of CPU a second of a worker's queue in which nothing waits."""

    async def nothing(_: Work) -> None:
        return

    queue.AsyncpgDriver = Counting  # type: ignore[misc]
    runner = JobRunner(postgres.system_url, {"title": nothing, "summary": nothing}, Metrics(CollectorRegistry()))
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(_SETTLING)
    Counting.sent, spent = 0, time.process_time()
    await asyncio.sleep(_QUIET)
    sent, cpu = Counting.sent / _QUIET, (time.process_time() - spent) * 1_000 / _QUIET
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return sent, cpu


async def measure(postgres: TestPostgres) -> None:
    """Measure and print."""
    superuser = await asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + "/deskwire")
    owner, app = await asyncpg.connect(postgres.owner_url), await asyncpg.connect(postgres.app_url)
    await superuser.execute("GRANT TEMP ON DATABASE deskwire TO deskwire_app")
    tenant = (await tenants.create(postgres.owner_url, new_tenant())).id
    statements, cpu = await idle(postgres)
    print(f"idle: {statements:.2f} statements/s, {cpu:.1f} ms of CPU a second")
    talk = Talk(app, owner, superuser, tenant)
    await talk.fill()
    for name, microseconds in await talk.figures():
        print(f"{name}: {microseconds:.0f} µs")
    for connection in (superuser, owner, app):
        await connection.close()


def main() -> None:
    """Measure on a database of its own."""
    with tempfile.TemporaryDirectory(prefix="deskwire-background-") as folder:
        postgres = start_test_postgres(Path(folder))
        try:
            migrate.upgrade_blocking(postgres.owner_url)
            asyncio.run(measure(postgres))
        finally:
            postgres.stop()


if __name__ == "__main__":
    main()
