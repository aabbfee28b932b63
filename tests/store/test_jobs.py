"""The queue of background work on a real PostgreSQL: asked for with its cause, done at least once, never lost."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from deskwire_server.errors import Unavailable
from deskwire_server.ids import uuid7
from deskwire_server.jobs.models import DeadJob, Handler, Tries, Work
from deskwire_server.jobs.queue import JobQueue, connect
from deskwire_server.jobs.runner import JobRunner
from deskwire_server.metrics import Metrics
from tests.rpc.proxy import proxied
from tests.store.conftest import Roles
from tests.support.postgres import TestPostgres
from tests.support.waiting import until

QUICK = Tries(most=3, first_pause=0.02, longest_pause=0.05)


@pytest.fixture
def kind() -> str:
    """A kind of work that no other test knows."""
    return f"test-{uuid4().hex[:8]}"


@pytest.fixture
async def queue(postgres: TestPostgres) -> AsyncIterator[JobQueue]:
    connection = await connect(postgres.system_url)
    yield JobQueue(connection)
    await connection.close()


async def ask(database: Any, tenant: UUID, kind: str, conversation: UUID, turn: UUID | None = None) -> UUID:
    """Ask for work, in a transaction of its own unless one is open. Returns the turn."""
    turn = turn or uuid7()
    async with database.transaction():
        await database.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(tenant))
        await database.execute("SELECT job_enqueue($1, $2, $3, $4, 0)", kind, tenant, conversation, turn)
    return turn


async def jobs_of(roles: Roles, kind: str) -> list[asyncpg.Record]:
    return list(await roles.system.fetch("SELECT * FROM jobs.pgqueuer WHERE entrypoint = $1 ORDER BY id", kind))


@asynccontextmanager
async def working(
    postgres: TestPostgres, kind: str, handler: Handler, tries: Tries = QUICK, **options: Any
) -> AsyncIterator[JobRunner]:
    """A runner that does one kind of work."""
    options = {"poll": 1.0, "lost_after": 1.0} | options
    runner = JobRunner(postgres.system_url, {kind: handler}, Metrics(CollectorRegistry()), tries=tries, **options)
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Recorder:
    """Notes the work that is done, and fails as often as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.done: list[Work] = []
        self.begun: list[Work] = []
        self.failures = list(failures)
        self.gate: asyncio.Event | None = None

    async def __call__(self, work: Work) -> None:
        self.begun.append(work)
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.done.append(work)


async def ended(roles: Roles, kind: str) -> None:
    """Wait until nothing of a kind is left in the queue."""
    async with asyncio.timeout(10):
        while await jobs_of(roles, kind):
            await asyncio.sleep(0.02)


# Asking.


async def test_work_is_asked_for_with_its_cause_or_not_at_all(roles: Roles, tenant_id: UUID, kind: str) -> None:
    undone = roles.app.transaction()
    await undone.start()
    await ask(roles.app, tenant_id, kind, uuid7())
    await undone.rollback()
    assert await jobs_of(roles, kind) == []

    conversation = uuid7()
    turn = await ask(roles.app, tenant_id, kind, conversation)
    (job,) = await jobs_of(roles, kind)
    assert json.loads(job["payload"]) == {
        "tenant_id": str(tenant_id), "conversation_id": str(conversation), "turn_id": str(turn)
    }  # fmt: skip


async def test_the_same_work_waits_once_with_the_newest_turn(roles: Roles, tenant_id: UUID, kind: str) -> None:
    conversation = uuid7()
    turns = [await ask(roles.app, tenant_id, kind, conversation) for _ in range(3)]
    await ask(roles.app, tenant_id, kind, uuid7())
    first, second = await jobs_of(roles, kind)
    assert json.loads(first["payload"])["turn_id"] == str(turns[-1])
    assert json.loads(second["payload"])["conversation_id"] != str(conversation)


async def test_work_may_be_asked_for_in_the_own_tenant_only(
    roles: Roles, tenant_id: UUID, other_tenant_id: UUID, kind: str
) -> None:
    async with roles.app.transaction():
        await roles.app.execute("SELECT set_config('deskwire.tenant_id', $1, true)", str(other_tenant_id))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with roles.app.transaction():
                await roles.app.execute("SELECT job_enqueue($1, $2, $3, $3, 0)", kind, tenant_id, uuid7())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await roles.app.fetch("SELECT * FROM jobs.pgqueuer")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await roles.system.execute("SELECT job_enqueue($1, $2, $3, $3, 0)", kind, tenant_id, uuid7())


async def test_the_queue_is_as_its_library_wants_it(postgres: TestPostgres) -> None:
    connection = await connect(postgres.owner_url)
    try:
        plan = await JobQueue(connection).queries.plan_upgrade()
    finally:
        await connection.close()
    assert [str(statement) for statement in plan.statements] == []


# Doing.


async def test_several_workers_do_each_job_once(
    postgres: TestPostgres, roles: Roles, tenant_id: UUID, kind: str
) -> None:
    recorder = Recorder()
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(working(postgres, kind, recorder, lost_after=10.0))
        wanted = {await ask(roles.app, tenant_id, kind, uuid7()) for _ in range(40)}
        await ended(roles, kind)
    assert sorted(work.turn_id for work in recorder.done) == sorted(wanted)


async def test_failures_are_tried_again_after_pauses_until_they_succeed(
    postgres: TestPostgres, roles: Roles, tenant_id: UUID, kind: str
) -> None:
    recorder = Recorder(ValueError("a secret"), Unavailable("away", retry_after=0.01))
    await ask(roles.app, tenant_id, kind, uuid7())
    async with working(postgres, kind, recorder):
        await ended(roles, kind)
    assert [work.is_last_try for work in recorder.begun] == [False, False, True]
    assert len(recorder.done) == 1


async def dead_letters(queue: JobQueue, kind: str) -> list[DeadJob]:
    return [job for job in await queue.dead() if job.kind == kind]


async def test_what_fails_for_good_becomes_a_dead_letter_that_may_be_tried_again(
    postgres: TestPostgres, roles: Roles, queue: JobQueue, tenant_id: UUID, kind: str
) -> None:
    conversation = uuid7()
    recorder = Recorder(*(ValueError("Ana's secret") for _ in range(3)))
    await ask(roles.app, tenant_id, kind, conversation)
    async with working(postgres, kind, recorder):
        async with asyncio.timeout(10):
            while not await dead_letters(queue, kind):
                await asyncio.sleep(0.02)
        (letter,) = await dead_letters(queue, kind)
        assert (letter.reason, letter.tries, letter.work.conversation_id) == ("ValueError", 3, conversation)
        kept = await roles.system.fetch(
            "SELECT traceback::text AS told FROM jobs.pgqueuer_log WHERE job_id = $1", letter.id
        )
        assert any(row["told"] for row in kept)
        assert not any("secret" in (row["told"] or "") for row in kept)
        assert [(state.state, state.count) for state in await queue.states() if state.kind == kind] == [("dead", 1)]

        assert await queue.retry(letter.id)
        await ended(roles, kind)
        assert not await queue.retry(letter.id)
    assert len(recorder.done) == 1


async def test_a_dead_letter_gives_way_to_the_same_work_that_waits(
    postgres: TestPostgres, roles: Roles, queue: JobQueue, tenant_id: UUID, kind: str
) -> None:
    conversation = uuid7()
    await ask(roles.app, tenant_id, kind, conversation)
    async with working(postgres, kind, Recorder(ValueError()), tries=replace(QUICK, most=1)):
        async with asyncio.timeout(10):
            while not await dead_letters(queue, kind):
                await asyncio.sleep(0.02)
    (letter,) = await dead_letters(queue, kind)
    await ask(roles.app, tenant_id, kind, conversation)
    assert await queue.retry(letter.id)
    assert [job["status"] for job in await jobs_of(roles, kind)] == ["queued"]


async def test_work_that_is_asked_for_while_it_is_done_is_done_once_more(
    postgres: TestPostgres, roles: Roles, tenant_id: UUID, kind: str
) -> None:
    recorder, conversation = Recorder(), uuid7()
    recorder.gate = asyncio.Event()
    first = await ask(roles.app, tenant_id, kind, conversation)
    async with working(postgres, kind, recorder, lost_after=10.0):
        await until(lambda: recorder.begun)
        second = await ask(roles.app, tenant_id, kind, conversation)
        assert len(await jobs_of(roles, kind)) == 1
        recorder.gate.set()
        await ended(roles, kind)
    assert [work.turn_id for work in recorder.done] == [first, second]


async def test_the_jobs_of_a_worker_that_stops_go_on_elsewhere_at_once(
    postgres: TestPostgres, roles: Roles, tenant_id: UUID, kind: str
) -> None:
    stuck, other = Recorder(), Recorder()
    stuck.gate = asyncio.Event()
    await ask(roles.app, tenant_id, kind, uuid7())
    async with AsyncExitStack() as stack:
        async with working(postgres, kind, stuck, lost_after=60.0, poll=60.0):
            await until(lambda: stuck.begun)
            await stack.enter_async_context(working(postgres, kind, other, lost_after=60.0, poll=60.0))
        async with asyncio.timeout(5):
            await ended(roles, kind)
    assert stuck.done == []
    assert len(other.done) == 1


KILLED = """
import asyncio, os, signal, sys
from prometheus_client import CollectorRegistry
from deskwire_server.jobs.runner import JobRunner
from deskwire_server.metrics import Metrics

async def die(work):
    os.kill(os.getpid(), signal.SIGKILL)

url, kind = sys.argv[1:]
asyncio.run(JobRunner(url, {kind: die}, Metrics(CollectorRegistry()), poll=0.5, lost_after=1.0).run())
"""


async def kill_a_worker(postgres: TestPostgres, kind: str) -> None:
    """Run a process that dies with the job it takes."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, postgres.system_url, kind)
    async with asyncio.timeout(20):
        assert await process.wait() == -9


async def test_the_job_of_a_killed_worker_is_done_by_another(
    postgres: TestPostgres, roles: Roles, tenant_id: UUID, kind: str
) -> None:
    await ask(roles.app, tenant_id, kind, uuid7())
    await kill_a_worker(postgres, kind)
    assert [job["status"] for job in await jobs_of(roles, kind)] == ["picked"]
    recorder = Recorder()
    async with working(postgres, kind, recorder):
        await ended(roles, kind)
    assert len(recorder.done) == 1


async def test_a_job_that_kills_its_workers_is_given_up(
    postgres: TestPostgres, roles: Roles, queue: JobQueue, tenant_id: UUID, kind: str
) -> None:
    await ask(roles.app, tenant_id, kind, uuid7())
    await kill_a_worker(postgres, kind)
    await kill_a_worker(postgres, kind)
    recorder = Recorder()
    async with working(postgres, kind, recorder, tries=replace(QUICK, most_lost_workers=2)):
        async with asyncio.timeout(10):
            while not await dead_letters(queue, kind):
                await asyncio.sleep(0.02)
    assert recorder.begun == []
    assert (await dead_letters(queue, kind))[0].reason == "its worker was lost 2 times"


async def test_a_lost_connection_is_made_anew(postgres: TestPostgres, roles: Roles, tenant_id: UUID, kind: str) -> None:
    recorder = Recorder()
    async with working(postgres, kind, recorder):
        await ask(roles.app, tenant_id, kind, uuid7())
        await ended(roles, kind)
        cut = await roles.superuser.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE '%jobs.pgqueuer%' AND usename = 'deskwire_system' AND pid <> $1",
            roles.system.get_server_pid(),
        )
        assert cut
        await ask(roles.app, tenant_id, kind, uuid7())
        await ended(roles, kind)
    assert len(recorder.done) == 2


async def test_work_goes_on_after_an_outage(postgres: TestPostgres, roles: Roles, tenant_id: UUID, kind: str) -> None:
    recorder = Recorder()
    recorder.gate = asyncio.Event()
    async with proxied(postgres.system_url) as proxy:
        away = replace(postgres, system_url=proxy.url(postgres.system_url))
        async with working(away, kind, recorder):
            await ask(roles.app, tenant_id, kind, uuid7())
            await until(lambda: recorder.begun)
            await proxy.down()
            recorder.gate.set()
            second = await ask(roles.app, tenant_id, kind, uuid7())
            await proxy.up()
            await ended(roles, kind)
    assert second in {work.turn_id for work in recorder.done}
    assert len({work.turn_id for work in recorder.done}) == 2
