"""Trainings as durable jobs: asked for by a call, carried out by any worker, taken over when one is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from uuid import UUID

import structlog

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db import idempotency
from deskwire_server.db.engine import Database
from deskwire_server.db.idempotency import RequestKey
from deskwire_server.db.system import SystemDatabase
from deskwire_server.errors import DomainError, NotFound, Unavailable
from deskwire_server.intents import store, training_store
from deskwire_server.intents.errors import insufficient
from deskwire_server.intents.models import Training
from deskwire_server.intents.trainer import Made, Trainer, TrainingError, lesson
from deskwire_server.intents.training_store import StoredHead

_LEASE = 15.0
_KEPT_EVERY = 1.0
_LOOKED_EVERY = 2.0
_WATCHED_EVERY = 0.25
_ATTEMPTS = 3
_RUNNABLE = """
    SELECT tenant_id, training_id FROM runnable_trainings
    WHERE lease_until IS NULL OR lease_until < now() ORDER BY training_id LIMIT 20
"""
_log = structlog.get_logger(__name__)


class Trainings:
    """Asks for trainings, tells of them, and carries them out."""

    def __init__(self, database: Database, system: SystemDatabase, trainer: Trainer, worker_id: UUID) -> None:
        self._database = database
        self._system = system
        self._trainer = trainer
        self._worker_id = worker_id
        self._wake = asyncio.Event()

    async def start(self, caller: Caller, request_id: str) -> Training:
        """Ask for a training. Raises `PermissionDenied`, `FailedPrecondition` when there is too little to learn."""
        caller.require(Role.ADMIN, Role.SERVICE)
        key = RequestKey("TrainIntents", request_id, {})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, known = await idempotency.begin(connection, caller, key)
            if is_new or known is None:
                if lesson(await store.load(connection)) is None:
                    raise insufficient()
                known = await training_store.queue(connection, caller.tenant_id)
                await idempotency.finish(connection, caller, key, known)
            found = await training_store.find(connection, known)
        if found is None:
            raise NotFound.of("training")
        self._wake.set()
        return found

    async def get(self, caller: Caller, training_id: UUID | None) -> Training:
        """A training, the latest where no id is given. Raises `NotFound`, `PermissionDenied`."""
        caller.require(Role.ADMIN, Role.SERVICE)
        async with self._database.transaction(caller.tenant_id) as connection:
            found = await training_store.find(connection, training_id)
        if found is None:
            raise NotFound.of("training")
        return found

    async def watch(self, caller: Caller, request_id: str) -> AsyncGenerator[Training, None]:
        """Ask for a training, then tell of it as it changes until it is over."""
        training = await self.start(caller, request_id)
        yield training
        while not training.state.is_over:
            await asyncio.sleep(_WATCHED_EVERY)
            latest = await self.get(caller, training.id)
            if latest != training:
                training = latest
                yield training

    async def run(self) -> None:
        """Carry out what is asked for until cancelled."""
        while True:
            try:
                if not await self._step():
                    self._wake.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), _LOOKED_EVERY)
            except Unavailable:
                await asyncio.sleep(_LOOKED_EVERY)
            except Exception:
                _log.exception("training_loop_failed")
                await asyncio.sleep(_LOOKED_EVERY)

    async def _step(self) -> bool:
        """Carry out one training. False when there was none."""
        for row in await self._system.fetch(_RUNNABLE):
            tenant_id, training_id = UUID(str(row["tenant_id"])), UUID(str(row["training_id"]))
            async with self._database.transaction(tenant_id) as connection:
                attempt = await training_store.claim(
                    connection, training_id, self._worker_id, lease=_LEASE, attempts=_ATTEMPTS
                )
            if attempt is not None:
                await _Run(self._database, self._trainer, tenant_id, training_id, attempt).go()
                return True
        return False


class _Run:
    """One attempt at one training."""

    def __init__(self, database: Database, trainer: Trainer, tenant_id: UUID, training_id: UUID, attempt: int) -> None:
        self._database = database
        self._trainer = trainer
        self._tenant_id = tenant_id
        self._training_id = training_id
        self._attempt = attempt
        self._share, self._step = 0.0, ""

    async def go(self) -> None:
        """Train, and keep the outcome unless somebody else has taken over."""
        work = asyncio.create_task(self._work())
        keeping = asyncio.create_task(self._keep(work.cancel))
        try:
            await work
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            _log.info("training_taken_over", training=str(self._training_id))
        except (TrainingError, DomainError) as error:
            _log.warning(
                "training_failed", training=str(self._training_id), error=str(error), cause=str(error.__cause__)
            )
            await self._fail(error.message if isinstance(error, DomainError) else str(error))
        except Exception:
            _log.exception("training_failed", training=str(self._training_id))
            await self._fail("the server had a fault")
        finally:
            for task in (work, keeping):
                task.cancel()
            await asyncio.gather(work, keeping, return_exceptions=True)

    async def _work(self) -> None:
        async with self._database.transaction(self._tenant_id) as connection:
            loaded = await store.load(connection)
        what = lesson(loaded)
        if what is None:
            raise insufficient()
        made = await self._trainer.train(self._tenant_id, what, self._note)
        await self._succeed(made, {name: loaded.actions[name] for name in what.names if name in loaded.actions})

    def _note(self, share: float, step: str) -> None:
        self._share, self._step = share, step

    async def _keep(self, stop: Callable[[], object]) -> None:
        """Renew the lease and tell of progress; stop the work when the training is somebody else's."""
        while True:
            with suppress(Unavailable):
                async with self._database.transaction(self._tenant_id) as connection:
                    mine = await training_store.keep(
                        connection,
                        self._training_id,
                        self._attempt,
                        progress=self._share,
                        step=self._step,
                        lease=_LEASE,
                    )
                if not mine:
                    stop()
                    return
            await asyncio.sleep(_KEPT_EVERY)

    async def _succeed(self, made: Made, actions: dict[str, list[dict[str, object]]]) -> None:
        head = StoredHead(self._training_id, made.embedder, made.head, actions)
        async with self._database.transaction(self._tenant_id) as connection:
            await training_store.succeed(connection, self._tenant_id, self._attempt, head, made.report)

    async def _fail(self, error: str) -> None:
        with suppress(Unavailable):
            async with self._database.transaction(self._tenant_id) as connection:
                await training_store.fail(connection, self._training_id, self._attempt, error)
